/**
 * Converts a parsed YAML document to the value that kubectl reads from it.
 *
 * The `yaml` package would read scalars, keys and merge keys by YAML 1.2. kubectl differs: it has its own rules for
 * scalars (kubectl-scalars.ts), converts keys to strings, and lets a merge key override the keys that precede it.
 *
 * Invariants:
 *   1. The value contains no reference to itself, and its aliases expand to at most `MAX_ALIASED_VALUES` values.
 *   2. After the conversion, the `value` of each scalar node is the value that kubectl reads. For a key it is a string.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, type Node, type Scalar, type YAMLMap } from 'yaml';
import { keyText, readScalar, type ScalarReading } from './kubectl-scalars.ts';
import type { SourceProblem } from './manifest-problem.ts';
import { isMerge, type NodePair } from './yaml-aliases.ts';

/** High enough for manifests, and low enough to stop nested aliases that would expand to gigabytes. */
const MAX_ALIASED_VALUES = 1_000_000;
const MAX_SHOWN_CHARACTERS = 60;

export interface DocumentReading {
  readonly value: unknown;
  /** If there are problems, `value` is incomplete. */
  readonly problems: readonly SourceProblem[];
}

export function readDocumentValue(document: Document): DocumentReading {
  const reader = new DocumentReader();
  const value = document.contents === null ? null : reader.read(document.contents).value;
  return { value, problems: reader.problems };
}

interface Reading {
  readonly value: unknown;
  /** Number of values in the value, including itself and with aliases expanded. */
  readonly size: number;
}

const NOTHING: Reading = { value: null, size: 1 };

class DocumentReader {
  readonly problems: SourceProblem[] = [];
  readonly #anchors = new Map<string, Node>();
  /** Readings of the nodes with anchors. A node without a reading is still being read, so it contains the alias. */
  readonly #anchored = new Map<Node, Reading>();
  #aliasedValues = 0;

  read(node: Node): Reading {
    if (isAlias(node)) {
      return this.#readAlias(node, node.source);
    }
    const { anchor } = node as { anchor?: string };
    if (anchor !== undefined) {
      this.#anchors.set(anchor, node);
    }
    const reading = this.#readPlain(node);
    if (anchor !== undefined) {
      this.#anchored.set(node, reading);
    }
    return reading;
  }

  #readPlain(node: Node): Reading {
    if (isMap(node)) {
      return this.#readMap(node as YAMLMap<Node, Node | null>);
    }
    if (isSeq(node)) {
      const items = (node.items as Node[]).map((item) => this.read(item));
      return { value: items.map((item) => item.value), size: sizeOf(items) };
    }
    return isScalar(node) ? this.#readScalar(node) : NOTHING;
  }

  #readScalar(node: Scalar): Reading {
    const reading = readingOf(node);
    if (reading.type === 'invalid') {
      this.#refuse(node, reading.problem);
      return NOTHING;
    }
    if (reading.type === 'special') {
      this.#refuse(node, `a number must be finite, got ${reading.name}`);
      return NOTHING;
    }
    node.value = reading.value;
    return { value: reading.value, size: 1 };
  }

  #readAlias(node: Node, name: string): Reading {
    const target = this.#anchors.get(name);
    const reading = target === undefined ? undefined : this.#anchored.get(target);
    if (target === undefined) {
      this.#refuse(node, `the alias *${name} must follow the anchor &${name}, but there is no such anchor above it`);
    } else if (reading === undefined) {
      this.#refuse(node, `the alias *${name} must not be part of the value with the anchor &${name}`);
    } else {
      this.#aliasedValues += reading.size;
      if (this.#aliasedValues <= MAX_ALIASED_VALUES) {
        return reading;
      }
      if (this.#aliasedValues - reading.size <= MAX_ALIASED_VALUES) {
        this.#refuse(node, `the aliases must expand to at most ${MAX_ALIASED_VALUES} values, got more with *${name}`);
      }
    }
    return NOTHING;
  }

  #readMap(node: YAMLMap<Node, Node | null>): Reading {
    const value: Record<string, unknown> = {};
    const places = new Map<string, number>();
    const parts: Reading[] = [];
    for (const pair of node.items) {
      if (isMerge(pair)) {
        parts.push(this.#merge(value, pair));
        continue;
      }
      const key = this.#readKey(pair.key);
      const reading = pair.value === null ? NOTHING : this.read(pair.value);
      parts.push(reading);
      if (key === undefined) {
        continue;
      }
      const first = places.get(key);
      if (first !== undefined) {
        const message = `the key ${shown(key)} must be unique in its mapping; it is already in line`;
        this.problems.push({ offset: startOf(pair.key), message, otherOffset: first });
      }
      places.set(key, first ?? startOf(pair.key));
      setOwn(value, key, reading.value);
    }
    return { value, size: sizeOf(parts) };
  }

  /** Returns the text of a key, or notes a problem and returns undefined. */
  #readKey(node: Node): string | undefined {
    if (isScalar(node)) {
      return this.#readScalarKey(node);
    }
    const { value } = this.read(node);
    if (typeof value === 'object' && value !== null) {
      this.#refuse(node, `a key must be a string, got a ${Array.isArray(value) ? 'list' : 'mapping'}`);
    }
    const target = isAlias(node) ? this.#anchors.get(node.source) : undefined;
    return isScalar(target) ? keyText(readingOf(target)) : undefined;
  }

  #readScalarKey(node: Scalar): string | undefined {
    const reading = readingOf(node);
    if (node.anchor !== undefined) {
      this.#anchors.set(node.anchor, node);
      this.#anchored.set(node, { value: 'value' in reading ? reading.value : null, size: 1 });
    }
    const key = keyText(reading);
    if (key === undefined) {
      const got = node.source === '' ? 'nothing' : shown(node.source ?? '');
      this.#refuse(node, reading.type === 'invalid' ? reading.problem : `a key must be a string, got ${got}`);
    }
    node.value = key;
    return key;
  }

  /** Sets the pairs of other mappings. They override the pairs that precede the merge key. */
  #merge(into: Record<string, unknown>, pair: NodePair): Reading {
    const { value: node } = pair;
    const sources = isSeq(node) ? (node.items as Node[]) : node === null ? [] : [node];
    const readings = sources.map((source) => this.read(source));
    // The first source takes precedence, so it comes last.
    for (const { value } of readings.toReversed()) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        this.#refuse(pair.key, 'the merge key << must have a mapping or a list of mappings as its value');
        break;
      }
      for (const [key, part] of Object.entries(value)) {
        setOwn(into, key, part);
      }
    }
    return { value: into, size: sizeOf(readings) };
  }

  #refuse(node: Node, message: string): void {
    // A problem inside of a part that has a problem already is a consequence of it.
    if (this.problems.at(-1)?.offset !== startOf(node)) {
      this.problems.push({ offset: startOf(node), message });
    }
  }
}

function readingOf(node: Scalar): ScalarReading {
  const isPlain = node.type === undefined || node.type === 'PLAIN';
  return readScalar({ text: node.source ?? '', isPlain, tag: node.tag });
}

function sizeOf(parts: readonly Reading[]): number {
  return parts.reduce((sum, part) => sum + part.size, 1);
}

/** Sets an own property. A plain assignment of the key `__proto__` would change the prototype. */
function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

function startOf(node: Node): number {
  return node.range?.[0] ?? 0;
}

function shown(key: string): string {
  const short = key.length > MAX_SHOWN_CHARACTERS ? `${key.slice(0, MAX_SHOWN_CHARACTERS)}...` : key;
  return /^[\w./-]+$/.test(short) ? short : JSON.stringify(short);
}
