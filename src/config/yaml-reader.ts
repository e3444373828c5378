/**
 * Reads a YAML document strictly, and remembers where everything stood: what a policy file is read with.
 *
 * Every question about a node either gives its value or notes a problem with line and column and gives undefined, so that one
 * reading finds all mistakes (the first 100 of them).
 */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
  type YAMLMap,
} from 'yaml';
import { suggestionFor } from './nearest.ts';

export interface YamlProblem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** What keys a mapping may have; the texts say what is wrong with keys that users may expect to work. */
export interface KeyTable {
  readonly known: readonly string[];
  readonly notYet?: Readonly<Record<string, string>>;
}

const MAX_FILE_BYTES = 1_048_576;
/** Nobody reads more of them; a log line holds them all. */
const MAX_PROBLEMS = 100;
/** An alias bomb expands beyond this. */
const MAX_ALIASES = 100;

export class YamlReader {
  readonly problems: YamlProblem[] = [];
  readonly root: Node | undefined;
  readonly #lines = new LineCounter();

  constructor(text: string) {
    if (Buffer.byteLength(text) > MAX_FILE_BYTES) {
      this.problems.push({
        line: 1,
        column: 1,
        message: `cannot read the file: it is larger than ${MAX_FILE_BYTES} bytes`,
      });
      return;
    }
    // Repeated keys are found below: the library compares each key with all others, minutes for a large file of mistakes.
    const documents = parseAllDocuments(text, { lineCounter: this.#lines, uniqueKeys: false, prettyErrors: false });
    const list = Array.isArray(documents) ? documents : [];
    for (const error of list.flatMap((document) => document.errors)) {
      this.#note(error.pos[0], `cannot read the file as YAML: ${error.message.split('\n')[0]}`);
    }
    if (list.length > 1) {
      this.#note(list[1]?.range?.[0] ?? 0, `cannot read the file: it holds ${list.length} YAML documents, wanted one`);
    }
    if (this.problems.length > 0) {
      return;
    }
    const document = list[0];
    if (document === undefined) {
      return;
    }
    try {
      // Only to hear of alias bombs; what is read below are the nodes, which know their lines. Objects would warn of keys that are no texts.
      document.toJS({ maxAliasCount: MAX_ALIASES, mapAsMap: true });
    } catch (error) {
      this.#note(0, `cannot read the file: ${error instanceof Error ? error.message : 'its aliases do not resolve'}`);
      return;
    }
    this.root = document.contents ?? undefined;
  }

  /** The entries of a mapping; undefined (and a problem) when it is none. Keys that are not in `keys` are problems. */
  map(node: Node | undefined, path: string, keys?: KeyTable): ReadonlyMap<string, Node> | undefined {
    if (!isMap(node)) {
      this.fail(node, path, `a mapping${keys === undefined ? '' : ` with ${keys.known.join(', ')}`}`);
      return undefined;
    }
    const entries = new Map<string, Node>();
    for (const pair of (node as YAMLMap<Node, Node>).items) {
      if (this.problems.length >= MAX_PROBLEMS) {
        break;
      }
      this.#addEntry(entries, pair as Pair<Node, Node | null>, path, keys);
    }
    return entries;
  }

  list(node: Node | undefined, path: string, bounds: { min: number; max: number }): readonly Node[] | undefined {
    const accepted = `a list of ${bounds.min} to ${bounds.max} entries`;
    if (!isSeq(node) || node.items.length < bounds.min || node.items.length > bounds.max) {
      this.fail(node, path, accepted);
      return undefined;
    }
    return node.items as Node[];
  }

  text(node: Node | undefined, path: string, accepted: string): string | undefined {
    return this.#scalar(node, path, accepted, (value) => typeof value === 'string');
  }

  integer(node: Node | undefined, path: string, accepted: string): number | undefined {
    return this.#scalar(node, path, accepted, (value) => Number.isSafeInteger(value));
  }

  flag(node: Node | undefined, path: string): boolean | undefined {
    return this.#scalar(node, path, 'true or false', (value) => typeof value === 'boolean');
  }

  /** Notes "cannot read <path>: it is <what stands there>, wanted <wanted>" at the node. */
  fail(node: Node | undefined, path: string, accepted: string): void {
    this.#note(
      node?.range?.[0] ?? 0,
      `cannot read ${path === '' ? 'the file' : path}: it is ${describe(node)}, wanted ${accepted}`,
    );
  }

  /** Notes what is wrong where the node itself is not what was found. */
  refuse(node: Node | undefined, path: string, text: string): void {
    this.#note(node?.range?.[0] ?? 0, `cannot read ${path}: ${text}`);
  }

  #scalar<Value>(
    node: Node | undefined,
    path: string,
    accepted: string,
    isValid: (value: unknown) => boolean,
  ): Value | undefined {
    if (isScalar(node) && isValid(node.value)) {
      return node.value as Value;
    }
    this.fail(node, path, accepted);
    return undefined;
  }

  #addEntry(entries: Map<string, Node>, pair: Pair<Node, Node | null>, path: string, keys: KeyTable | undefined): void {
    if (!isScalar(pair.key)) {
      this.refuse(pair.key, path === '' ? 'the file' : path, `a key is ${describe(pair.key)}, wanted a name`);
      return;
    }
    const key = String(pair.key.value);
    const keyPath = path === '' ? key : `${path}.${key}`;
    if (keys !== undefined && !keys.known.includes(key)) {
      const notYet = keys.notYet?.[key];
      const nearest = suggestionFor(key, keys.known);
      const accepted = nearest === undefined ? `one of ${keys.known.join(', ')}` : `${nearest}, perhaps`;
      const text = notYet ?? `there is no such key, wanted ${accepted}`;
      this.#note(pair.key.range?.[0] ?? 0, `cannot read ${keyPath}: ${text}`);
      return;
    }
    if (entries.has(key)) {
      this.#note(pair.key.range?.[0] ?? 0, `cannot read ${keyPath}: the key stands here twice, wanted it once`);
      return;
    }
    if (pair.value === null) {
      this.fail(pair.key, keyPath, 'a value');
      return;
    }
    entries.set(key, pair.value);
  }

  #note(offset: number, message: string): void {
    if (this.problems.length >= MAX_PROBLEMS) {
      return;
    }
    const { line, col } = this.#lines.linePos(offset);
    this.problems.push({ line: Math.max(1, line), column: Math.max(1, col), message });
  }
}

function describe(node: Node | undefined): string {
  if (isScalar(node)) {
    return node.value === null ? 'empty' : JSON.stringify(node.value);
  }
  if (isMap(node)) {
    return 'a mapping';
  }
  if (isSeq(node)) {
    return `a list of ${node.items.length} entries`;
  }
  return isAlias(node) ? 'an alias' : 'missing';
}
