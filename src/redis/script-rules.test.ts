/**
 * The house rules of Lua scripts (script.ts), read off every .lua file. They are looked for in the text, so they are heuristics:
 *
 *   keys      Where redis.call's command has a key, its first argument is `KEYS[...]`, or a parameter of the function around it; and every
 *             call of such a function hands in `KEYS[...]` in that place (or such a parameter of its own).
 *   numbers   `..` has no arithmetic, `#`, tonumber or math beside it, and no name that the file gives a number to; what these rules
 *             cannot see, the properties of the algorithms do (20,000 random steps, at the bounds).
 *   TTL       A script that can make a key sets its end; one that only writes to what it has found there is listed with the reason.
 */
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { documentedRules } from '../../test/support/redis-acl.ts';
import { repositoryFiles, repositoryRoot } from '../../test/support/repository.ts';

/** Commands without a key. */
const KEYLESS = new Set(['TIME']);
const WRITES = new Set(['HSET', 'HSETNX', 'HINCRBY', 'SET']);
const ENDS = /redis\.call\('PEXPIRE(AT)?'|'PX'/;

/** Scripts that write without an end, since they make no key. Each returns, or finds nothing to do, where the key is not there. */
const MAKE_NO_KEY: Readonly<Record<string, string>> = {
  'user-end.lua': 'the hash has fields, or it has returned before',
};

const files = repositoryFiles(['src/**/*.lua']);

function codeOf(path: string): string {
  return readFileSync(join(repositoryRoot, path), 'utf8').replace(/--.*$/gm, '');
}

/** A file and what is put before it, as the stores assemble it. */
function assembledOf(path: string): string {
  const folder = dirname(path);
  if (basename(path) === 'take.lua') {
    const algorithms = files.filter((file) => file.includes('/algorithms/')).map(codeOf);
    return [codeOf(`${folder}/now.lua`), ...algorithms, codeOf(path)].join('\n');
  }
  const common = commonOf(path);
  return common === undefined ? codeOf(path) : `${codeOf(`${folder}/${common}`)}\n${codeOf(path)}`;
}

function commonOf(path: string): string | undefined {
  if (path.includes('/cache/')) {
    return 'common.lua';
  }
  if (path.includes('/session/')) {
    return basename(path).startsWith('user-') ? 'user-common.lua' : 'session-common.lua';
  }
  return undefined;
}

/** The files that are a script's last: neither shared beginnings nor algorithms. */
const scripts = files.filter((path) => /\/scripts\//.test(path) && !/(common|\/now)\.lua$/.test(path));

interface LuaCall {
  readonly command: string;
  readonly key: string;
}

function callsOf(code: string): LuaCall[] {
  return [...code.matchAll(/redis\.p?call\(\s*([^,)]+)\s*(?:,\s*([\w#.]+(?:\[[^\]]*\])?))?/g)].map((match) => ({
    command: (match[1] ?? '').replaceAll("'", ''),
    key: match[2] ?? '',
  }));
}

interface LuaFunction {
  readonly name: string;
  readonly parameters: readonly string[];
  readonly body: string;
}

/** Functions of the outermost level: their `end` stands at the beginning of a line. */
function functionsOf(code: string): LuaFunction[] {
  return [...code.matchAll(/^local function (\w+)\(([^)]*)\)([\s\S]*?)^end/gm)].map((match) => ({
    name: match[1] ?? '',
    parameters: (match[2] ?? '').split(',').map((name) => name.trim()),
    body: match[3] ?? '',
  }));
}

/** Function and place of every parameter that is used as a key, through functions that hand it on. */
function keyParametersOf(functions: readonly LuaFunction[]): Map<string, Set<number>> {
  const places = new Map<string, Set<number>>();
  for (let round = 0; round < functions.length; round += 1) {
    for (const { name, parameters, body } of functions) {
      const handedOn = [...places].flatMap(([callee, indexes]) => argumentsAt(body, callee, indexes));
      const used = [...callsOf(body).map((call) => call.key), ...handedOn];
      const indexes = parameters.flatMap((parameter, index) => (used.includes(parameter) ? [index] : []));
      if (indexes.length > 0) {
        places.set(name, new Set(indexes));
      }
    }
  }
  return places;
}

/** What calls of `callee` in `code` hand in at these places. */
function argumentsAt(code: string, callee: string, indexes: ReadonlySet<number>): string[] {
  const calls = [...code.matchAll(new RegExp(`(?<!function )\\b${callee}\\(([^)]*)\\)`, 'g'))];
  return calls.flatMap((match) => {
    const list = (match[1] ?? '').split(',').map((argument) => argument.trim());
    return [...indexes].map((index) => list[index] ?? '');
  });
}

const IS_KEY = /^KEYS\[[^\]]+\]$/;

/** Keys that are neither KEYS nor a parameter that only ever is one of KEYS. */
function strayKeysOf(code: string): string[] {
  const functions = functionsOf(code);
  const places = keyParametersOf(functions);
  const own = functions.flatMap(({ name, parameters }) =>
    [...(places.get(name) ?? [])].map((index) => parameters[index] ?? ''),
  );
  const direct = callsOf(code)
    .filter(({ command }) => !KEYLESS.has(command))
    .map((call) => call.key);
  const handedIn = [...places].flatMap(([callee, indexes]) => argumentsAt(code, callee, indexes));
  return [...direct, ...handedIn].filter((key) => !IS_KEY.test(key) && !own.includes(key));
}

/** Lines in which a number might be made text by `..`. */
function formattedNumbersOf(code: string): string[] {
  const numbers = [...code.matchAll(/\b(\w+) = (?:tonumber\(|math\.|#|-?\d|now_ms\(\)|[^\n']*? [-+*/%] )/g)].map(
    (match) => match[1] ?? '',
  );
  return code.split('\n').filter((line) => {
    const operands = line.split('..').length < 2 ? [] : besideDots(line);
    return operands.some((operand) => /^(tonumber|math\.|#|\d)/.test(operand) || numbers.includes(operand));
  });
}

/** The words that stand directly before and after `..`; a call's name stands for it. */
function besideDots(line: string): string[] {
  const after = [...line.matchAll(/(?<!\.)\.\.(?!\.)\s*(#?[\w.]+)/g)].map((match) => match[1] ?? '');
  const before = [...line.matchAll(/([\w.]+)\s*(?<!\.)\.\.(?!\.)/g)].map((match) => match[1] ?? '');
  return [...after, ...before];
}

describe('the heuristics', () => {
  test('find a key that was made in the script, directly and through functions', () => {
    expect(strayKeysOf("redis.call('GET', KEYS[1]) redis.call('TIME')")).toEqual([]);
    expect(strayKeysOf("redis.call('GET', 'session:' .. ARGV[1])")).not.toEqual([]);
    expect(strayKeysOf("redis.call('GET', ARGV[1])")).toEqual(['ARGV[1]']);
    const inner = "local function inner(key)\n  redis.call('GET', key)\nend\n";
    const outer = 'local function outer(number, name)\n  inner(name)\nend\n';
    expect(strayKeysOf(`${inner}${outer}outer(1, KEYS[2])`)).toEqual([]);
    expect(strayKeysOf(`${inner}${outer}outer(1, ARGV[2])`)).toEqual(['ARGV[2]']);
  });

  test('find a number beside dots', () => {
    const bad = ['x = a .. #b', "n = tonumber(y)\nx = 'a' .. n", "x = 'a' .. 5", "n = m + 1\nx = n .. 'a'"];
    for (const code of bad) {
      expect(formattedNumbersOf(code)).toHaveLength(1);
    }
    expect(formattedNumbersOf("x = 'a' .. whole(n) .. ARGV[1] .. string.format('%.0f', n)")).toEqual([]);
  });
});

test('there are scripts, each with its shared beginning', () => {
  expect(scripts.length).toBeGreaterThanOrEqual(19);
  for (const path of scripts.filter((file) => commonOf(file) !== undefined)) {
    expect(files).toContain(`${dirname(path)}/${commonOf(path)}`);
  }
});

describe.each(scripts)('%s', (path) => {
  const code = assembledOf(path);

  test('takes every key from KEYS', () => {
    expect(strayKeysOf(code)).toEqual([]);
  });

  test('reads the time once at most', () => {
    // Either at the outermost level, or in now_ms, which then is called once at most.
    const reads = callsOf(code).filter(({ command }) => command === 'TIME').length;
    const looks = [...code.matchAll(/(?<!function )\bnow_ms\(\)/g)].length;
    expect(reads).toBeLessThanOrEqual(1);
    expect(looks).toBeLessThanOrEqual(1);
  });

  test('formats no number by ..', () => {
    expect(formattedNumbersOf(code)).toEqual([]);
  });

  test('uses one key, where it is a limit or a session', () => {
    const keys = new Set([...code.matchAll(/KEYS\[([^\]]+)\]/g)].map((match) => match[1]));
    if (!path.includes('/cache/')) {
      expect([...keys]).toEqual(['1']);
    }
  });

  test('gives what it makes its end', () => {
    // Of what is shared only the functions that the script calls count.
    const own = codeOf(path);
    const used = functionsOf(code).filter(({ name }) => new RegExp(`\\b${name}\\b`).test(own));
    const reached = [own, ...used.map(({ body }) => body)].join('\n');
    const writes = callsOf(reached).some(({ command }) => WRITES.has(command));
    const isListed = MAKE_NO_KEY[basename(path)] !== undefined;
    expect(!writes || ENDS.test(reached)).toBe(!isListed);
  });
});

test('commands of scripts are those that docs/redis.md gives rights for, by role', () => {
  const both = documentedRules('every connection');
  for (const [folder, section] of [
    ['cache', 'cache'],
    ['session', 'limits and sessions'],
    ['rate-limit', 'limits and sessions'],
  ] as const) {
    const allowed = [...both, ...documentedRules(section)];
    const ofRoom = files.filter((path) => path.startsWith(`src/${folder}/`));
    const wanted = ofRoom.flatMap((path) => callsOf(codeOf(path)).map(({ command }) => `+${command.toLowerCase()}`));
    expect(wanted.filter((rule) => !allowed.includes(rule))).toEqual([]);
  }
});
