/**
 * What must hold for a script as it is sent, shared beginnings included (script-rules.test.ts has the rules for single files):
 *
 *   1. It reads the time at most once.
 *   2. A script that can create a key sets its expiry. One that only writes to what it has found is listed below with the reason.
 *   3. Its commands are those that docs/redis.md grants, by role.
 *   4. A script of kind `read` writes nothing.
 *
 * The scripts of limits are taken as the program assembles them. Elsewhere a script is a file in a `scripts` folder, and its shared
 * beginnings are the files named `common.lua` or `<something>-common.lua` beside it: of these, the functions that it reaches count.
 */
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type AclSection, documentedRules } from '../../test/support/redis/acl.ts';
import { repositoryFiles, repositoryRoot } from '../../test/support/repository.ts';
import { loadRateLimitScripts } from '../rate-limit/redis-scripts.ts';

/** Commands that can create a key. */
const CREATING = new Set(['HSET', 'HSETNX', 'HINCRBY', 'SET']);
const EXPIRY = /redis\.p?call\('PEXPIRE(AT)?'|'PX'/;
const READING = new Set(['EXISTS', 'GET', 'GETRANGE', 'HEXISTS', 'HGET', 'HGETALL', 'HLEN', 'HMGET', 'STRLEN', 'TIME']);

/** Scripts that write without an expiry, since they create no key: each returns, or finds nothing to do, if there is no key. */
const CREATES_NO_KEY: Readonly<Record<string, string>> = {
  'src/session/scripts/user-end.lua': 'the hash has fields, or it has returned before',
};

const SECTIONS: readonly [string, AclSection][] = [
  // Both roles grant what it runs on their keys; STRLEN is for strings, which the cache alone has.
  ['src/redis/scripts/remove-wrong-type.lua', 'cache'],
  ['src/redis/', 'every connection'],
  ['src/cache/', 'cache'],
  ['src/session/', 'limits and sessions'],
  ['src/rate-limit/', 'limits and sessions'],
];

interface AssembledScript {
  /** A path, or the folder and name of a script of limits. */
  readonly name: string;
  readonly isRead: boolean;
  /** Without comments, and without the functions that it does not reach. */
  readonly code: string;
}

const files = repositoryFiles(['src/**/*.lua']);
const rateLimitScripts = loadRateLimitScripts();
const allRateLimitScripts = [...Object.values(rateLimitScripts.oneLimit), ...severalScripts()];

function severalScripts() {
  const { several, take, peek, give, reset } = rateLimitScripts;
  return [several, take, peek, give, reset];
}

function withoutComments(text: string): string {
  return text.replace(/--.*$/gm, '');
}

function readFile(path: string): string {
  return readFileSync(join(repositoryRoot, path), 'utf8');
}

function isShared(path: string): boolean {
  return /(^|-)common\.lua$/.test(basename(path));
}

function assembled(): AssembledScript[] {
  const ofLimits = allRateLimitScripts.map((script) => ({
    name: `src/rate-limit/ ${script.name}`,
    isRead: script.kind === 'read',
    code: reached(withoutFunctions(withoutComments(script.source)), functionsOf(withoutComments(script.source))),
  }));
  const others = files.filter((path) => !path.startsWith('src/rate-limit/') && !isShared(path));
  return [...ofLimits, ...others.map((name) => ({ name, isRead: false, code: reachedOfFile(name) }))];
}

function reachedOfFile(path: string): string {
  const own = withoutComments(readFile(path));
  const commons = files.filter((file) => dirname(file) === dirname(path) && isShared(file));
  // Several shared beginnings may define a function of the same name: the one named like the script comes first.
  const stem = basename(path).split('-')[0] ?? '';
  commons.sort((left, right) => Number(basename(right).startsWith(stem)) - Number(basename(left).startsWith(stem)));
  const functions = [own, ...commons.map((file) => withoutComments(readFile(file)))].flatMap(functionsOf);
  return reached(withoutFunctions(own), functions);
}

interface LuaFunction {
  readonly name: string;
  readonly body: string;
}

const FUNCTION = /^local function (\w+)\([^)]*\)([\s\S]*?)^end/gm;

/** Functions of the outermost level: their `end` stands at the beginning of a line. */
function functionsOf(code: string): LuaFunction[] {
  return [...code.matchAll(FUNCTION)].map((match) => ({ name: match[1] ?? '', body: match[2] ?? '' }));
}

function withoutFunctions(code: string): string {
  return code.replace(FUNCTION, '');
}

/** The code and the bodies of all functions that it reaches, directly or by another one. */
function reached(code: string, functions: readonly LuaFunction[]): string {
  let text = code;
  const included = new Set<string>();
  for (let isGrowing = true; isGrowing; ) {
    isGrowing = false;
    for (const { name, body } of functions) {
      if (!included.has(name) && new RegExp(`\\b${name}\\b`).test(text)) {
        included.add(name);
        text += body;
        isGrowing = true;
      }
    }
  }
  return text;
}

function commandsOf(code: string): string[] {
  return [...code.matchAll(/redis\.call\('([A-Z]+)'/g)].map((match) => match[1] ?? '');
}

const scripts = assembled();

test('every file belongs to a script', () => {
  expect(scripts.length).toBeGreaterThanOrEqual(25);
  const sources = allRateLimitScripts.map((script) => script.source);
  const unused = files
    .filter((path) => path.startsWith('src/rate-limit/'))
    .filter((path) => !sources.some((source) => source.includes(readFile(path))));
  expect(unused).toEqual([]);
});

describe.each(scripts.map((script) => [script.name, script] as const))('%s', (name, { code, isRead }) => {
  test('reads the time at most once', () => {
    // Either at the outermost level, or in now_ms, which is called at most once then.
    expect(commandsOf(code).filter((command) => command === 'TIME').length).toBeLessThanOrEqual(1);
    expect([...code.matchAll(/\bnow_ms\(\)/g)].length).toBeLessThanOrEqual(1);
  });

  test('sets the expiry of a key that it creates', () => {
    const creates = commandsOf(code).some((command) => CREATING.has(command));
    const isListed = CREATES_NO_KEY[name] !== undefined;
    expect(!creates || EXPIRY.test(code)).toBe(!isListed);
  });

  test('uses the commands that docs/redis.md grants, by role', () => {
    const section = SECTIONS.find(([folder]) => name.startsWith(folder))?.[1];
    const allowed = [
      ...documentedRules('every connection'),
      ...(section === undefined ? [] : documentedRules(section)),
    ];
    const needed = commandsOf(code).map((command) => `+${command.toLowerCase()}`);
    expect(needed.filter((rule) => !allowed.includes(rule))).toEqual([]);
  });

  test('writes nothing if it is a read', () => {
    const writes = commandsOf(code).filter((command) => !READING.has(command));
    expect(isRead ? writes : []).toEqual([]);
  });
});
