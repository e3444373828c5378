/**
 * Tests the rules for every .lua file (lua-script.ts). The checks are heuristics on the text, and the samples at the
 * end show that each check finds violations.
 *   1. A key is `KEYS[...]`, or a function parameter for which every caller passes `KEYS[...]`. Commands are literals.
 *   2. Only the prelude reads the time, so a script reads it once.
 *   3. Only `string.format('%.0f')` converts numbers to strings. Operands of `..` are literals, KEYS, ARGV, results of
 *      string.*, struct.pack or `whole`, or string variables (TEXT_NAMES).
 *   4. Scripts of limits and sessions access only KEYS[1].
 *   5. Each SET command includes a TTL. Scripts use no random values and swallow no errors. As an exception, if Redis
 *      refuses the expiry of a new key, `expireNewKey` of the prelude removes the key and returns the error. The caller
 *      of this function returns the error as well.
 *   6. Locals, parameters, functions and fields are camelCase. Constants are UPPER_CASE.
 *   7. Library blocks contain no blank line, and each block except the first declares a local variable
 *      (script-library.ts).
 *   8. permissions.ts lists every command of a script for a key family of the script's folder.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FORMAT_COMMANDS } from '../../test/support/redis/documented-permissions.ts';
import { withoutComments } from '../../test/support/redis/lua-code.ts';
import { repositoryFiles, repositoryRoot } from '../../test/support/repository.ts';
import { commandsIn } from './lua-script.ts';
import { CALL_COMMANDS, KEY_COMMANDS } from './permissions.ts';

/**
 * Names of the string variables that scripts concatenate (replies of GET and HGET, arguments, results of string.sub and
 * struct.pack), by folder.
 */
const TEXT_NAMES: Readonly<Record<string, readonly string[]>> = {
  'src/cache/scripts': ['incarnation', 'packed', 'hash', 'stamp', 'marks[1]', 'newest', 'version'],
  'src/session/scripts': ['handle', 'before[1]', 'before[2]', 'before[3]'],
  'src/rate-limit/scripts': ['field', 'outcome.numbers'],
  'src/rate-limit/algorithms': ['log.tail'],
};

/** Script that must catch errors, because it removes keys of the wrong type. */
const CATCHES_ERRORS = 'src/redis/scripts/remove-wrong-type.lua';
const SINGLE_KEY_FOLDERS = /^src\/(rate-limit|session)\//;
const PRELUDE = 'src/redis/scripts/prelude.lua';

const paths = repositoryFiles(['src/**/*.lua']);
const texts = new Map(paths.map((path) => [path, withoutComments(readFile(path))]));

function readFile(path: string): string {
  return readFileSync(join(repositoryRoot, path), 'utf8');
}

function wrongCommands(text: string, folderText: string): string[] {
  const wrong: string[] = [];
  for (const match of text.matchAll(/redis\.(\w+)\(([^,)]*)(?:,\s*([\w#.]+(?:\[[^\]]*\])?))?/g)) {
    const [whole, method, command = '', key] = match;
    const isLiteral = /^'[A-Z]+'$/.test(command.trim());
    const isKeyless = command === "'TIME'" && key === undefined;
    const isKey = key !== undefined && (/^KEYS\[[^\]]+\]$/.test(key) || isKeyParameter(key, text, folderText));
    const isCall = method === 'call' || (method === 'pcall' && /^'PEXPIRE(AT)?'$/.test(command.trim()));
    if (!isCall || !isLiteral || !(isKeyless || isKey)) {
      wrong.push(whole);
    }
  }
  return wrong;
}

/**
 * Returns whether the name is a parameter of a function, and each call of that function in the folder passes KEYS[...]
 * or such a parameter.
 */
function isKeyParameter(name: string, text: string, folderText: string): boolean {
  const owners = [...text.matchAll(/function (\w+)\(([^)]*)\)/g)].filter((match) =>
    (match[2] ?? '').split(/,\s*/).includes(name),
  );
  return (
    owners.length > 0 &&
    owners.every((owner) => {
      const position = (owner[2] ?? '').split(/,\s*/).indexOf(name);
      const calls = [...folderText.matchAll(new RegExp(`(?<!function )\\b${owner[1]}\\(([^()]*)`, 'g'))];
      return calls.length > 0 && calls.every((call) => /^KEYS\[[^\]]+\]$/.test(argumentOf(call[1] ?? '', position)));
    })
  );
}

function argumentOf(list: string, position: number): string {
  return (list.split(/,\s*/)[position] ?? '').trim();
}

function timeReads(text: string): number {
  return [...text.matchAll(/'TIME'/g)].length;
}

function wrongOperands(text: string, textNames: readonly string[]): string[] {
  const wrong: string[] = [];
  for (const match of text.matchAll(/(?<!\.)\.\.(?!\.)/g)) {
    for (const operand of [operandBefore(text, match.index), operandAfter(text, match.index + 2)]) {
      const isText =
        /^'/.test(operand) || /^(KEYS|ARGV)\[/.test(operand) || /^(string\.\w+|struct\.pack|whole)\(/.test(operand);
      if (!isText && !textNames.includes(operand)) {
        wrong.push(operand);
      }
    }
  }
  return wrong;
}

function operandBefore(text: string, end: number): string {
  const before = text.slice(0, end).trimEnd();
  if (before.endsWith("'")) {
    return before.slice(before.lastIndexOf("'", before.length - 2));
  }
  let start = before.length;
  let depth = 0;
  while (start > 0) {
    const character = before.charAt(start - 1);
    depth += /[)\]]/.test(character) ? 1 : 0;
    depth -= /[([]/.test(character) ? 1 : 0;
    if (depth < 0 || (depth === 0 && !/[\w.)\][(#]/.test(character))) {
      break;
    }
    start -= 1;
  }
  return before.slice(start);
}

function operandAfter(text: string, start: number): string {
  const after = text.slice(start).trimStart();
  const literal = /^'[^']*'/.exec(after);
  return literal?.[0] ?? /^#?[\w.]+(\[[^\]]*\]|\()?/.exec(after)?.[0] ?? after.slice(0, 10);
}

function wrongFormats(text: string): string[] {
  const patterns = [...text.matchAll(/string\.format\(\s*('[^']*'|[^,]+)/g)].map((match) => match[1] ?? '');
  const wrong = patterns.filter((pattern) => !/^'([^%]|%s|%\.0f)*'$/.test(pattern));
  return [...wrong, ...[...text.matchAll(/\btostring\b/g)].map(String)];
}

function otherKeys(text: string): string[] {
  return [...text.matchAll(/#?\bKEYS\b(\[[^\]]*\])?/g)]
    .map((match) => match[0])
    .filter((use) => !use.startsWith('KEYS[1]'));
}

/**
 * Returns uses of pcall that violate a rule: the script does not compare the reply, keeps the key, or does not return
 * the error.
 */
function swallowedErrors(text: string): string[] {
  const handled =
    /^local reply = redis\.pcall\([^\n]*\n\s*if reply ~= 1 then\n[\s\S]{0,60}redis\.call\('UNLINK'[\s\S]{0,40}(return|error\()\W*reply/;
  const uses = [...text.matchAll(/local \w+ = redis\.pcall|redis\.pcall/g)].map(({ index }) => text.slice(index));
  return uses.filter((use) => !handled.test(use)).map((use) => use.slice(0, 60));
}

/** Returns uses of expireNewKey whose result is not returned. */
function keptErrors(text: string): string[] {
  return [...text.matchAll(/^.*(?<!function )\bexpireNewKey\(.*$/gm)]
    .map(([line]) => line.trim())
    .filter((line) => !line.startsWith('return expireNewKey('));
}

/** Returns identifiers that are neither camelCase nor UPPER_CASE. */
function wrongNames(text: string): string[] {
  const identifiers = text.replace(/'[^'\n]*'/g, '').match(/\b[A-Za-z]\w*/g) ?? [];
  return identifiers.filter((name) => name !== '_' && !/^([a-z][A-Za-z0-9]*|[A-Z][A-Z0-9]*(_[A-Z0-9]+)*)$/.test(name));
}

function isLibrary(path: string): boolean {
  return path === PRELUDE || path.endsWith('-common.lua');
}

/** Returns blocks that declare nothing. Such blocks result from a blank line inside a block. */
function emptyBlocks(library: string): string[] {
  const blocks = library.trim().split(/\n{2,}/);
  return blocks.slice(1).filter((block) => !/^local /m.test(block) || /^\s/.test(block));
}

/**
 * Returns the commands that the ACL list permits on the keys of a script. The folder of the script determines the
 * commands.
 */
function permittedCommands(path: string): Set<string> {
  const { state, cache } = KEY_COMMANDS;
  if (path === CATCHES_ERRORS) {
    // This script serves both roles. Only the cache permits STRLEN on its keys.
    return new Set(['hget', 'strlen', 'unlink']);
  }
  if (path === PRELUDE) {
    // The prelude serves scripts of all folders, so script-assembly.test.ts checks their commands.
    return new Set([...(state.session ?? []), ...CALL_COMMANDS]);
  }
  if (path.startsWith('src/redis/')) {
    return new Set(FORMAT_COMMANDS);
  }
  const families = path.startsWith('src/rate-limit/')
    ? [state.rl]
    : path.startsWith('src/session/scripts/user-')
      ? [state.user]
      : path.startsWith('src/session/')
        ? [state.session]
        : Object.values(cache);
  return new Set([...families.flatMap((commands) => commands ?? []), ...CALL_COMMANDS]);
}

/** Returns the joined texts of all scripts that may call a function of the file. */
function folderOf(path: string): string {
  if (path === PRELUDE) {
    return [...texts.values()].join('\n');
  }
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  return [...texts]
    .filter(([other]) => other.startsWith(folder))
    .map(([, text]) => text)
    .join('\n');
}

test('finds scripts to check', () => {
  expect(paths.length).toBeGreaterThan(20);
});

describe.each(paths)('%s', (path) => {
  const text = texts.get(path) ?? '';

  test('follows the rules', () => {
    const catches = path === CATCHES_ERRORS;
    const commands = catches ? text.replaceAll('redis.pcall(', 'redis.call(') : text;
    expect(wrongCommands(commands, folderOf(path))).toEqual([]);
    expect(timeReads(text)).toBe(path === PRELUDE ? 1 : 0);
    expect(wrongNames(text)).toEqual([]);
    expect(keptErrors(text)).toEqual([]);
    expect(isLibrary(path) ? emptyBlocks(readFile(path)) : []).toEqual([]);
    expect(wrongOperands(text, TEXT_NAMES[dirname(path)] ?? [])).toEqual([]);
    expect(wrongFormats(text)).toEqual([]);
    expect(SINGLE_KEY_FOLDERS.test(path) ? otherKeys(text) : []).toEqual([]);
    expect([...text.matchAll(/redis\.call\('SET',[^\n]*/g)].filter((match) => !/'PX',/.test(match[0]))).toEqual([]);
    expect(text).not.toMatch(/math\.random|(?<!redis\.)\bpcall\b|RANDOMKEY|SRANDMEMBER/);
    expect(catches ? [] : swallowedErrors(text)).toEqual([]);
    expect([...commandsIn(text)].filter((name) => !permittedCommands(path).has(name))).toEqual([]);
  });
});

describe('the checks find violations', () => {
  test.each([
    ["redis.call('GET', 'fixed')"],
    ["redis.call('GET', ARGV[1])"],
    ["local key = other redis.call('GET', key)"],
    ['redis.call(ARGV[1], KEYS[1])'],
    ["redis.pcall('GET', KEYS[1])"],
    ["redis.pcall('PEXPIRE', ARGV[1], 1)"],
    ["redis.call('DBSIZE')"],
    ["local function f(key) redis.call('GET', key) end f(ARGV[1])"],
  ])('for the key in %s', (text) => {
    expect(wrongCommands(text, text)).toHaveLength(1);
  });

  test('but not for a parameter that is always a key', () => {
    const text = "local function f(key) return redis.call('GET', key) end f(KEYS[1]) f(KEYS[index])";
    expect(wrongCommands(text, text)).toEqual([]);
  });

  test.each([
    ["local a = 'x' .. number", ['number']],
    ["local a = number .. 'x'", ['number']],
    ["local a = 'x' .. #list", ['#list']],
    ["local a = 'x' .. redis.call('INCR', KEYS[1])", ['redis.call(']],
    ["local a = math.floor(x) .. 'x'", ['math.floor(x)']],
    ["local a = string.sub(b, 1, 2) .. ':' .. ARGV[1] .. whole(n)", []],
  ])('for the operands in %s', (text, wrong) => {
    expect(wrongOperands(text, [])).toEqual(wrong);
  });

  test('for swallowed errors, and for commands that the ACL list lacks', () => {
    const kept = "local reply = redis.pcall('PEXPIRE', KEYS[1], 1)\nif reply ~= 1 then\n";
    expect(swallowedErrors("redis.pcall('PEXPIRE', KEYS[1], 1)")).toHaveLength(1);
    expect(swallowedErrors(`${kept}  return reply\nend`)).toHaveLength(1);
    expect(swallowedErrors(`${kept}  redis.call('UNLINK', KEYS[1])\nend`)).toHaveLength(1);
    expect(swallowedErrors(`${kept}  redis.call('UNLINK', KEYS[1])\n  return reply\nend`)).toEqual([]);
    expect(permittedCommands('src/rate-limit/scripts/take.lua').has('zadd')).toBe(false);
    expect(permittedCommands('src/rate-limit/scripts/take.lua').has('hset')).toBe(true);
  });

  test.each([
    ['local too_large = 1', ['too_large']],
    ['local session = { user_end = 1 }', ['user_end']],
    ['local Total = 1', ['Total']],
    ["local MAX_FIELDS, maxBytes, _ = 1, ARGV['if_absent'], ENDED", []],
  ])('for the names in %s', (text, wrong) => {
    expect(wrongNames(text)).toEqual(wrong);
  });

  test('for a dropped error of expireNewKey', () => {
    expect(keptErrors('expireNewKey(KEYS[1], atMs)\nreturn 1')).toHaveLength(1);
    expect(keptErrors('  return expireNewKey(KEYS[1], atMs) or 1')).toEqual([]);
  });

  test('for a library with a blank line inside a block', () => {
    expect(emptyBlocks('-- Shared.\n\nlocal A = 1')).toEqual([]);
    expect(emptyBlocks('-- Shared.\n\nlocal function a()\n  b()\n\n  c()\nend')).toHaveLength(1);
  });

  test('for time, formats and additional keys', () => {
    expect(timeReads("local t = redis.call('TIME') local u = redis.call('TIME')")).toBe(2);
    expect(wrongFormats("string.format('%d', n) string.format('%.0f', n) tostring(n)")).toHaveLength(2);
    expect(otherKeys("redis.call('GET', KEYS[1]) redis.call('GET', KEYS[2]) #KEYS")).toHaveLength(2);
  });
});
