/**
 * Reads a YAML document strictly and reports errors with their line and column. The parsers of policy files and of the
 * injector's configuration use this reader.
 *
 * Each read method returns the value of a node, or records a problem and returns undefined, so that one pass finds all
 * errors.
 *
 * Invariants:
 *   1. The reader records at most 100 problems. It reads the whole file nevertheless, and `watch` finds the first problem
 *      of each part.
 *   2. The reader reports unknown and duplicate keys, several documents, aliases instead of values, and files above 1
 *      MiB.
 *   3. A message has at most 500 characters and no control characters.
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

/** Keys that a mapping may have. */
export interface KeyTable {
  readonly known: readonly string[];
  /**
   * Unsupported keys that users may expect to work. The value of each is the error text that follows the path of the
   * key.
   */
  readonly notYet?: Readonly<Record<string, string>>;
}

/** Entries of a mapping, and the problems of its keys. */
export interface MapReading {
  readonly entries: ReadonlyMap<string, Node>;
  /** Problems of unknown keys, duplicate keys and keys without a value, by key. */
  readonly problems: ReadonlyMap<string, YamlProblem>;
  /** First problem of a key that is not a name. */
  readonly unnamed: YamlProblem | undefined;
}

export const MAX_FILE_BYTES = 1_048_576;
/** Maximum number of problems. With this limit, a log line that contains all problems stays readable. */
const MAX_PROBLEMS = 100;
const MAX_MESSAGE_LENGTH = 500;
/**
 * Maximum number of resolved aliases. An alias bomb (nested aliases that expand to gigabytes) far exceeds this number.
 */
const MAX_ALIASES = 100;
/** Matches the messages of Node.js for a call stack that is full, because the parser is recursive. */
const TOO_DEEP = /stack (?:size exceeded|overflow)/i;

export class YamlReader {
  readonly problems: YamlProblem[] = [];
  readonly root: Node | undefined;
  readonly #lines = new LineCounter();
  /** First problem, by position, since `watch` began. */
  #first: YamlProblem | undefined;

  constructor(text: string) {
    const bytes = Buffer.byteLength(text);
    if (bytes > MAX_FILE_BYTES) {
      const message = `the file must be at most ${MAX_FILE_BYTES} bytes, got ${bytes} bytes`;
      this.problems.push({ line: 1, column: 1, message });
      return;
    }
    // The reader itself finds duplicate keys. The library would compare each key with all others, which would take
    // minutes for a large file.
    const documents = parseAllDocuments(text, { lineCounter: this.#lines, uniqueKeys: false, prettyErrors: false });
    const list = Array.isArray(documents) ? documents : [];
    for (const error of list.flatMap((document) => document.errors)) {
      if (TOO_DEEP.test(error.message)) {
        // The parser reports this error again for each following character.
        this.#note(error.pos[0], 'the file has too many nested levels');
        break;
      }
      this.#note(error.pos[0], `cannot parse the file as YAML: ${error.message.split('\n')[0]}`);
    }
    if (list.length > 1) {
      this.#note(list[1]?.range?.[0] ?? 0, `the file must be one YAML document, got ${list.length} documents`);
    }
    if (this.problems.length > 0) {
      return;
    }
    const document = list[0];
    if (document === undefined) {
      return;
    }
    try {
      // This call only detects alias bombs. The reader does not use the result, because only nodes have line numbers.
      // `mapAsMap` avoids warnings about non-string keys.
      document.toJS({ maxAliasCount: MAX_ALIASES, mapAsMap: true });
    } catch (error) {
      this.#note(
        0,
        `cannot resolve the aliases of the file: ${error instanceof Error ? error.message : String(error)}`,
      );
      return;
    }
    this.root = document.contents ?? undefined;
  }

  /** Returns the entries of a mapping. Reports keys that are not in `keys`. */
  map(node: Node | undefined, path: string, keys?: KeyTable): ReadonlyMap<string, Node> | undefined {
    return this.readMap(node, path, keys)?.entries;
  }

  /** Returns the entries of a mapping and the problems of its keys, which are also recorded. */
  readMap(node: Node | undefined, path: string, keys?: KeyTable): MapReading | undefined {
    if (!isMap(node)) {
      this.fail(node, path, `a mapping${keys === undefined ? '' : ` with ${keys.known.join(', ')}`}`);
      return undefined;
    }
    const entries = new Map<string, Node>();
    const problems = new Map<string, YamlProblem>();
    let unnamed: YamlProblem | undefined;
    for (const pair of (node as YAMLMap<Node, Node | null>).items) {
      if (!isScalar(pair.key)) {
        unnamed ??= this.refuse(pair.key, path, `must have names as keys, got ${describe(pair.key)}`);
        continue;
      }
      const key = String(pair.key.value);
      const problem = this.#keyProblem(entries, pair, { key, path, keys });
      if (problem === undefined) {
        entries.set(key, pair.value as Node);
      } else if (!problems.has(key)) {
        problems.set(key, problem);
      }
    }
    return { entries, problems, unnamed };
  }

  /** Calls `read` and returns its result together with the first problem that it recorded, by position. */
  watch<Value>(read: () => Value): { readonly value: Value; readonly problem: YamlProblem | undefined } {
    const outer = this.#first;
    this.#first = undefined;
    const value = read();
    const problem = this.#first;
    this.#first = earlier(outer, problem);
    return { value, problem };
  }

  list(node: Node | undefined, path: string, bounds: { min: number; max: number }): readonly Node[] | undefined {
    if (!isSeq(node) || node.items.length < bounds.min || node.items.length > bounds.max) {
      this.fail(node, path, `a list of ${bounds.min} to ${bounds.max} entries`);
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

  /** Records `<path> must be <accepted>, got <node>`, where an empty path denotes the file. */
  fail(node: Node | undefined, path: string, accepted: string): void {
    this.refuse(node, path, `must be ${accepted}, got ${describe(node)}`);
  }

  /** Records `<path> <text>` at the node. The text begins with a verb, such as "must be unique" or "has no effect". */
  refuse(node: Node | undefined, path: string, text: string): YamlProblem {
    return this.#note(node?.range?.[0] ?? 0, `${path === '' ? 'the file' : path} ${text}`);
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

  #keyProblem(
    entries: ReadonlyMap<string, Node>,
    pair: Pair<Node, Node | null>,
    { key, path, keys }: { key: string; path: string; keys: KeyTable | undefined },
  ): YamlProblem | undefined {
    const keyPath = path === '' ? key : `${path}.${key}`;
    if (keys !== undefined && !keys.known.includes(key)) {
      const { notYet = {} } = keys;
      const unsupported = Object.hasOwn(notYet, key) ? notYet[key] : undefined;
      return unsupported === undefined
        ? this.#note(pair.key.range?.[0] ?? 0, this.#unknownKeyText(key, path, keys.known))
        : this.refuse(pair.key, keyPath, unsupported);
    }
    if (entries.has(key)) {
      return this.refuse(pair.key, keyPath, 'must be set once, got a duplicate key');
    }
    return pair.value === null ? this.refuse(pair.key, keyPath, 'must have a value, got nothing') : undefined;
  }

  /** Returns the text without a suggestion if the problem is not recorded, because suggestions take time. */
  #unknownKeyText(key: string, path: string, known: readonly string[]): string {
    return this.problems.length < MAX_PROBLEMS ? unknownKey(key, path, known) : `unknown key ${JSON.stringify(key)}`;
  }

  #note(offset: number, text: string): YamlProblem {
    const { line, col } = this.#lines.linePos(offset);
    const message = text
      .slice(0, MAX_MESSAGE_LENGTH)
      .toWellFormed()
      .replaceAll(/\p{Cc}/gu, ' ');
    const problem = { line: Math.max(1, line), column: Math.max(1, col), message };
    this.#first = earlier(this.#first, problem);
    if (this.problems.length < MAX_PROBLEMS) {
      this.problems.push(problem);
    }
    return problem;
  }
}

/** Returns the problem with the earlier position. */
export function earlier(left: YamlProblem | undefined, right: YamlProblem | undefined): YamlProblem | undefined {
  if (left === undefined || right === undefined) {
    return left ?? right;
  }
  const isRight = right.line < left.line || (right.line === left.line && right.column < left.column);
  return isRight ? right : left;
}

function listText(count: number): string {
  return count === 0 ? 'an empty list' : `a list of ${count} ${count === 1 ? 'entry' : 'entries'}`;
}

function unknownKey(key: string, path: string, known: readonly string[]): string {
  const nearest = suggestionFor(key, known);
  const hint =
    nearest === undefined
      ? `must be ${known.length === 1 ? '' : 'one of '}${known.join(', ')}`
      : `did you mean ${nearest}?`;
  return `unknown key ${JSON.stringify(key)}${path === '' ? '' : ` in ${path}`}; ${hint}`;
}

/** Completes "got …". */
function describe(node: Node | undefined): string {
  if (isScalar(node)) {
    return node.value === null ? 'an empty value' : JSON.stringify(node.value);
  }
  if (isMap(node)) {
    return 'a mapping';
  }
  if (isSeq(node)) {
    return listText(node.items.length);
  }
  return isAlias(node) ? 'an alias' : 'nothing';
}
