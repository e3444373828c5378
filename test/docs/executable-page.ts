/**
 * Reads the documentation pages that tests execute, and compares the output of a command with the output on the page.
 *
 *   1. A `sh` fence is a command. If the next fence is `json` or `text`, this fence contains the expected output of the
 *      command.
 *   2. A command that only starts a sidecar (`make run`, `bin/pannier serve`) results in a `ServeStep`. Any other
 *      command results in a `RunStep`.
 *   3. A program fence (`js`, `python`, `go`) must begin with a comment that contains its file name, and another fence
 *      must use that file. The fence results in a `FileStep`. A `yaml` fence that begins with such a comment also
 *      results in a `FileStep`. The parser ignores every other fence.
 *   4. If a program cannot run by itself, its fence is marked with `fragment` after the language. The parser ignores
 *      such a fence.
 */

export interface ExpectedOutput {
  readonly language: 'json' | 'text';
  readonly text: string;
}

interface StepBase {
  /** Number of the line on which the fence begins, from 1. */
  readonly line: number;
}

export interface FileStep extends StepBase {
  readonly kind: 'file';
  readonly name: string;
  readonly text: string;
}

export interface RunStep extends StepBase {
  readonly kind: 'run';
  readonly script: string;
  readonly expected?: ExpectedOutput;
}

export interface ServeStep extends StepBase {
  readonly kind: 'serve';
  /** Settings that precede the command, such as PANNIER_REDIS_URL. */
  readonly settings: Readonly<Record<string, string>>;
  /** Arguments of `pannier`. */
  readonly args: readonly string[];
  readonly expected?: ExpectedOutput;
}

export type Step = FileStep | RunStep | ServeStep;

export interface Fence extends StepBase {
  readonly language: string;
  readonly text: string;
}

const PROGRAM_LANGUAGES = new Set(['js', 'python', 'go']);
const FILE_NAME_COMMENT = /^(?:\/\/|#) ([\w./-]+\.\w+)$/;
const SERVE_COMMAND = /^(?<settings>(?:[A-Z_]+=\S+ +)*)(?:make run|bin\/pannier (?<args>serve(?: --hints)?))$/;
/** Arguments of `pannier` in the recipe of `make run`. A test compares these arguments with the Makefile. */
export const MAKE_RUN_ARGS: readonly string[] = ['serve', '--hints'];
/** Names of fields whose values differ from run to run. The comparison checks only the type of such a value. */
const COMPARED_BY_TYPE = /(?:Ms|Id|At|[vV]ersion|[hH]andle|[lL]ease)$/;

export function parsePage(markdown: string): Step[] {
  const fences = readFences(markdown);
  const steps: Step[] = [];
  for (const [index, fence] of fences.entries()) {
    const name = FILE_NAME_COMMENT.exec(fence.text.split('\n')[0] ?? '')?.[1];
    if (fence.language === 'sh') {
      steps.push(commandStep(fence, expectedOutput(fences[index + 1])));
    } else if (PROGRAM_LANGUAGES.has(fence.language)) {
      steps.push(programStep(fence, name, fences));
    } else if (fence.language === 'yaml' && name !== undefined) {
      steps.push({ kind: 'file', line: fence.line, name, text: fence.text });
    }
  }
  return steps;
}

/** Returns the code fences of a page in order. The text of an indented fence, such as one in a list, has no indentation. */
export function readFences(markdown: string): Fence[] {
  const fences: Fence[] = [];
  let open: { language: string; line: number; indentation: number; lines: string[] } | undefined;
  for (const [index, line] of markdown.split('\n').entries()) {
    const marker = /^( *)```(\w*(?: fragment)?)\s*$/.exec(line);
    if (marker === null) {
      open?.lines.push(line.slice(open.indentation));
    } else if (open === undefined) {
      open = { language: marker[2] ?? '', line: index + 1, indentation: marker[1]?.length ?? 0, lines: [] };
    } else {
      fences.push({ language: open.language, line: open.line, text: `${open.lines.join('\n')}\n` });
      open = undefined;
    }
  }
  if (open !== undefined) {
    throw new Error(`line ${open.line}: the fence is not closed`);
  }
  return fences;
}

/** Returns the commands of a `console` fence. A command begins with `$ ` and ends before the next such line. */
export function consoleCommands(text: string): string[] {
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((command) => command.trim());
}

/** Returns the text of the section with this heading, without its heading and without the next section of its level. */
export function sectionOf(markdown: string, heading: string): string {
  const level = /^#+/.exec(heading)?.[0].length ?? 0;
  const lines = markdown.split('\n');
  const start = lines.indexOf(heading);
  if (start === -1 || level === 0) {
    throw new Error(`cannot find the section: the page has no heading "${heading}"`);
  }
  const next = new RegExp(`^#{1,${level}} `);
  const length = lines.slice(start + 1).findIndex((line) => next.test(line));
  return lines.slice(start + 1, length === -1 ? undefined : start + 1 + length).join('\n');
}

function expectedOutput(next: Fence | undefined): ExpectedOutput | undefined {
  return next?.language === 'json' || next?.language === 'text'
    ? { language: next.language, text: next.text }
    : undefined;
}

function commandStep({ line, text }: Fence, expected: ExpectedOutput | undefined): RunStep | ServeStep {
  const output = expected === undefined ? {} : { expected };
  const command = text.replaceAll('\\\n', ' ').trim().replaceAll(/ +/g, ' ');
  const serve = SERVE_COMMAND.exec(command);
  if (serve === null) {
    return { kind: 'run', line, script: text, ...output };
  }
  const assignments = (serve.groups?.settings ?? '').split(' ').filter((word) => word !== '');
  const settings = Object.fromEntries(
    assignments.map((assignment) => {
      const [name = '', ...value] = assignment.split('=');
      return [name, value.join('=')];
    }),
  );
  const args = serve.groups?.args?.split(' ') ?? MAKE_RUN_ARGS;
  return { kind: 'serve', line, settings, args, ...output };
}

function programStep(fence: Fence, name: string | undefined, fences: readonly Fence[]): FileStep {
  if (name === undefined) {
    throw new Error(`line ${fence.line}: the first line of a program must be a comment with its file name`);
  }
  if (!fences.some((other) => other !== fence && other.text.includes(name))) {
    throw new Error(`line ${fence.line}: no other fence uses ${name}`);
  }
  return { kind: 'file', line: fence.line, name, text: fence.text };
}

/**
 * Returns the differences between the JSON documents in both strings, one difference per element. A string may contain
 * several documents.
 */
export function compareJson(expected: string, actual: string): string[] {
  const documents = readDocuments(expected);
  const printed = readDocuments(actual);
  if (documents.length !== printed.length) {
    return [`expected ${documents.length} JSON documents, got ${printed.length}`];
  }
  return documents.flatMap((document, index) => differences(document, printed[index], '$'));
}

/** Parses consecutive JSON documents, each of which begins on a new line. */
function readDocuments(text: string): unknown[] {
  const documents: unknown[] = [];
  let pending = '';
  for (const line of text.trim().split('\n')) {
    pending += `${line}\n`;
    try {
      documents.push(JSON.parse(pending));
      pending = '';
    } catch {
      // The text is an incomplete document so far, so the next line continues the document.
    }
  }
  if (pending.trim() !== '') {
    throw new Error(`cannot parse as JSON: ${pending.trim()}`);
  }
  return documents;
}

function differences(expected: unknown, actual: unknown, path: string): string[] {
  if (Array.isArray(expected) && Array.isArray(actual)) {
    return expected.length === actual.length
      ? expected.flatMap((item, index) => differences(item, actual[index], `${path}[${index}]`))
      : [`${path}: expected ${expected.length} items, got ${actual.length}`];
  }
  if (isRecord(expected) && isRecord(actual)) {
    const names = new Set([...Object.keys(expected), ...Object.keys(actual)]);
    return [...names].flatMap((name) => differencesOfField(name, expected, actual, `${path}.${name}`));
  }
  return Object.is(expected, actual)
    ? []
    : [`${path}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`];
}

type JsonRecord = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function differencesOfField(name: string, expected: JsonRecord, actual: JsonRecord, path: string): string[] {
  if (!Object.hasOwn(expected, name)) {
    return [`${path}: the page does not have this field`];
  }
  if (!Object.hasOwn(actual, name)) {
    return [`${path}: the output does not have this field`];
  }
  const [value, printed] = [expected[name], actual[name]];
  if (COMPARED_BY_TYPE.test(name) && typeof value !== 'object') {
    return typeof value === typeof printed ? [] : [`${path}: expected a ${typeof value}, got a ${typeof printed}`];
  }
  return differences(value, printed, path);
}

/**
 * Returns whether both strings are equal, apart from whitespace at their beginning and end. `…` in `expected` matches
 * any string.
 */
export function matchesText(expected: string, actual: string): boolean {
  const parts = expected.trim().split('…');
  const pattern = parts.map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('[^]*?');
  return new RegExp(`^${pattern}$`).test(actual.trim());
}
