/**
 * What is to hold of a script as it is sent, shared beginnings included, read off the text (script-rules.test.ts has the rules of single
 * files):
 *
 *   1. The time is read once at most.
 *   2. A script that can make a key sets its end. One that only writes to what it has found is listed below with the reason.
 *   3. Its commands are those that docs/redis.md gives rights for, by role.
 */
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { documentedRules } from '../../test/support/redis-acl.ts';
import { repositoryFiles, repositoryRoot } from '../../test/support/repository.ts';

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
  return [...commonOf(path).map((common) => `${folder}/${common}`), path].map(codeOf).join('\n');
}

function commonOf(path: string): readonly string[] {
  if (path.includes('/cache/')) {
    return ['entry-common.lua', 'change-common.lua'];
  }
  if (path.includes('/session/')) {
    return [basename(path).startsWith('user-') ? 'user-common.lua' : 'session-common.lua'];
  }
  return [];
}

/** The files that are a script's last: neither shared beginnings nor algorithms. */
const scripts = files.filter((path) => /\/scripts\//.test(path) && !/(common|\/now)\.lua$/.test(path));

function commandsOf(code: string): string[] {
  return [...code.matchAll(/redis\.call\('([A-Z]+)'/g)].map((match) => match[1] ?? '');
}

/** Functions of the outermost level: their `end` stands at the beginning of a line. */
function functionsOf(code: string): { name: string; body: string }[] {
  return [...code.matchAll(/^local function (\w+)\([^)]*\)([\s\S]*?)^end/gm)].map((match) => ({
    name: match[1] ?? '',
    body: match[2] ?? '',
  }));
}

/** A script without the shared functions that it does not call. */
function reachedOf(path: string): string {
  const own = codeOf(path);
  const used = functionsOf(assembledOf(path)).filter(({ name }) => new RegExp(`\\b${name}\\b`).test(own));
  return [own, ...used.map(({ body }) => body)].join('\n');
}

test('there are scripts, each with its shared beginning', () => {
  expect(scripts.length).toBeGreaterThanOrEqual(19);
  for (const path of scripts) {
    expect(files).toEqual(expect.arrayContaining(commonOf(path).map((common) => `${dirname(path)}/${common}`)));
  }
});

describe.each(scripts)('%s', (path) => {
  test('reads the time once at most', () => {
    // Either at the outermost level, or in now_ms, which then is called once at most.
    const code = assembledOf(path);
    expect(commandsOf(code).filter((command) => command === 'TIME').length).toBeLessThanOrEqual(1);
    expect([...code.matchAll(/(?<!function )\bnow_ms\(\)/g)].length).toBeLessThanOrEqual(1);
  });

  test('gives what it makes its end', () => {
    const code = reachedOf(path);
    const writes = commandsOf(code).some((command) => WRITES.has(command));
    const isListed = MAKE_NO_KEY[basename(path)] !== undefined;
    expect(!writes || ENDS.test(code)).toBe(!isListed);
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
    const wanted = ofRoom.flatMap((path) => commandsOf(codeOf(path)).map((command) => `+${command.toLowerCase()}`));
    expect(wanted.filter((rule) => !allowed.includes(rule))).toEqual([]);
  }
});
