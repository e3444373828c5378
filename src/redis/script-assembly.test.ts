/**
 * Tests rules for complete scripts, including their libraries. script-rules.test.ts tests the rules for single files.
 *
 *   1. A script reads the time at most once.
 *   2. A script that can create a key sets its expiry. Scripts that set no expiry because they never create a key are
 *      listed below.
 *   3. A script uses only commands that docs/operations/redis.md grants to its role.
 *   4. A script of kind `read` writes nothing.
 *   5. The scripts of the common case create no function, because Redis would create the function in every call.
 *
 * redis-scripts.ts assembles the scripts of limits. Every other script is a file in a `scripts` folder. The libraries
 * of such a script are the prelude and the files named `<name>-common.lua` in the same folder.
 */
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type AclSection, documentedRules } from '../../test/support/redis/acl.ts';
import { withoutComments } from '../../test/support/redis/lua-code.ts';
import { repositoryFiles, repositoryRoot } from '../../test/support/repository.ts';
import { loadRateLimitScripts } from '../rate-limit/redis-scripts.ts';
import { readPrelude } from './lua-script.ts';
import { withLibraries } from './script-library.ts';

/** Commands that can create a key. */
const CREATING = new Set(['HSET', 'HSETNX', 'HINCRBY', 'SET']);
const EXPIRY = /redis\.p?call\('PEXPIRE(AT)?'|'PX'/;
const READING = new Set(['EXISTS', 'GET', 'GETRANGE', 'HEXISTS', 'HGET', 'HGETALL', 'HLEN', 'HMGET', 'STRLEN', 'TIME']);

/** Scripts that write without setting an expiry, with the reason why they never create a key. */
const CREATES_NO_KEY: Readonly<Record<string, string>> = {
  'src/session/scripts/user-end.lua': 'the hash has fields, or the script has returned before',
};

const SECTIONS: readonly [string, AclSection][] = [
  // Both roles grant the commands of this script on their keys. STRLEN applies to strings, and only the cache stores
  // strings.
  ['src/redis/scripts/remove-wrong-type.lua', 'cache'],
  ['src/redis/', 'every connection'],
  ['src/cache/', 'cache'],
  ['src/session/', 'limits and sessions'],
  ['src/rate-limit/', 'limits and sessions'],
];

interface AssembledScript {
  /** Path of the script, or the folder and name of a script of limits. */
  readonly name: string;
  readonly isRead: boolean;
  /** Complete text of the script, without comments. */
  readonly code: string;
}

const SESSION_COMMON = 'src/session/scripts/session-common.lua';
const files = repositoryFiles(['src/**/*.lua']);
const rateLimitScripts = loadRateLimitScripts();
const allRateLimitScripts = [...Object.values(rateLimitScripts.oneLimit), ...severalScripts()];

function severalScripts() {
  const { several, take, peek, give, reset } = rateLimitScripts;
  return [several, take, peek, give, reset];
}

function readFile(path: string): string {
  return readFileSync(join(repositoryRoot, path), 'utf8');
}

function isShared(path: string): boolean {
  return path.endsWith('-common.lua') || path.endsWith('/prelude.lua');
}

function assembled(): AssembledScript[] {
  const ofLimits = allRateLimitScripts.map((script) => ({
    name: `src/rate-limit/ ${script.name}`,
    isRead: script.kind === 'read',
    code: withoutComments(script.source),
  }));
  const others = files.filter((path) => !path.startsWith('src/rate-limit/') && !isShared(path));
  return [...ofLimits, ...others.map((name) => ({ name, isRead: false, code: codeOfFile(name) }))];
}

function codeOfFile(path: string): string {
  const commons = files.filter((file) => dirname(file) === dirname(path) && file.endsWith('-common.lua'));
  // A script of sessions uses the library with the same name.
  const stem = basename(path).split('-')[0] ?? '';
  const named = commons.filter((file) => basename(file).startsWith(stem));
  const libraries = path.startsWith('src/session/') ? (named.length > 0 ? named : [SESSION_COMMON]) : commons;
  return withoutComments(withLibraries(readFile(path), [readPrelude(), ...libraries.map(readFile)]));
}

function commandsOf(code: string): string[] {
  return [...code.matchAll(/redis\.call\('([A-Z]+)'/g)].map((match) => match[1] ?? '');
}

const scripts = assembled();

test('assigns every file to a script', () => {
  expect(scripts.length).toBeGreaterThanOrEqual(25);
  const sources = allRateLimitScripts.map((script) => script.source);
  const unused = files
    .filter((path) => path.startsWith('src/rate-limit/'))
    .filter((path) => !sources.some((source) => source.includes(readFile(path))));
  expect(unused).toEqual([]);
});

describe.each(scripts.map((script) => [script.name, script] as const))('%s', (name, { code, isRead }) => {
  test('reads the time at most once', () => {
    expect(commandsOf(code).filter((command) => command === 'TIME').length).toBeLessThanOrEqual(1);
  });

  test('sets the expiry of a key that the script creates', () => {
    const creates = commandsOf(code).some((command) => CREATING.has(command));
    const isListed = CREATES_NO_KEY[name] !== undefined;
    expect(!creates || EXPIRY.test(code)).toBe(!isListed);
  });

  test('uses the commands that docs/operations/redis.md grants, by role', () => {
    const section = SECTIONS.find(([folder]) => name.startsWith(folder))?.[1];
    const allowed = [
      ...documentedRules('every connection'),
      ...(section === undefined ? [] : documentedRules(section)),
    ];
    const needed = commandsOf(code).map((command) => `+${command.toLowerCase()}`);
    expect(needed.filter((rule) => !allowed.includes(rule))).toEqual([]);
  });

  test('writes nothing in a script of kind read', () => {
    const writes = commandsOf(code).filter((command) => !READING.has(command));
    expect(isRead ? writes : []).toEqual([]);
  });
});

test.each(
  [...Object.values(rateLimitScripts.oneLimit), rateLimitScripts.several].map(({ name, source }) => [name, source]),
)('creates no function in %s', (_name, source) => {
  expect(withoutComments(source)).not.toMatch(/\bfunction\b/);
});

test('creates no function in the script that reads a session', () => {
  expect(codeOfFile('src/session/scripts/read.lua')).not.toMatch(/\bfunction\b/);
});
