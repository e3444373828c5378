/**
 * Files that settings name: what ends the start, what counts as not set, and that no content is quoted.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSettings, type Settings } from './load.ts';
import { findFileProblems, readRedisPassword, readSubjectKey, readTlsMaterial } from './setting-files.ts';

const directory = mkdtempSync(join(tmpdir(), 'setting-files-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function fileOf(content: string): string {
  const path = join(directory, String(Math.random()));
  writeFileSync(path, content);
  return path;
}

function settingsOf(environment: Record<string, string>): Settings {
  const loaded = loadSettings({ PANNIER_REDIS_URL: 'rediss://h:1', ...environment });
  if ('problems' in loaded) {
    throw new Error(loaded.problems[0].message);
  }
  return loaded.settings;
}

const gone = join(directory, 'gone');

async function readAuthorities(settings: Settings): Promise<Buffer | undefined> {
  const { ca } = await readTlsMaterial(settings);
  if ('problems' in ca) {
    throw new Error(ca.problems[0].message);
  }
  return ca.value;
}

describe.each([
  ['PANNIER_REDIS_PASSWORD_FILE', readRedisPassword],
  ['PANNIER_REDIS_TLS_CA_FILE', readAuthorities],
  ['PANNIER_SUBJECT_KEY_FILE', async (settings: Settings) => readSubjectKey(settings)],
] as const)('%s', (name, read) => {
  test.each([
    [gone, 'which the system does not read (ENOENT), wanted a readable file'],
    [directory, 'which the system does not read (EISDIR), wanted a readable file'],
    [fileOf('\n'), 'which is empty, wanted content'],
  ])('%s is a problem', (path, problem) => {
    const message = `cannot use ${name}: it is "${path}", ${problem}`;
    expect(findFileProblems(settingsOf({ [name]: path }))).toEqual([{ name, message }]);
  });

  test.each([gone, fileOf('\n'), fileOf('')])('%s counts as not set where files are optional', async (path) => {
    const settings = settingsOf({ [name]: path, PANNIER_REDIS_FILES_OPTIONAL: 'true' });
    expect(findFileProblems(settings)).toEqual([]);
    expect(await read(settings)).toBeUndefined();
  });

  test('that the system does not read is a problem where files are optional too', async () => {
    const settings = settingsOf({ [name]: directory, PANNIER_REDIS_FILES_OPTIONAL: 'true' });
    expect(findFileProblems(settings)).toHaveLength(1);
    await expect(read(settings)).rejects.toThrow('EISDIR');
  });
});

test('certificates that are none are a problem, and their content is not quoted', () => {
  const path = fileOf('canary');
  expect(findFileProblems(settingsOf({ PANNIER_REDIS_TLS_CA_FILE: path })).map((problem) => problem.message)).toEqual([
    `cannot use PANNIER_REDIS_TLS_CA_FILE: it is "${path}", which holds no certificate, wanted certificates in PEM`,
  ]);
});

test('a password is the file without its last line end', async () => {
  expect(await readRedisPassword(settingsOf({ PANNIER_REDIS_PASSWORD_FILE: fileOf(' a b \r\n') }))).toBe(' a b ');
  expect(await readRedisPassword(settingsOf({}))).toBeUndefined();
});

test.each([
  ['fifteen bytes', '123456789012345', 15],
  ['fifteen bytes and a line end', '123456789012345\n', 15],
])('a key of subjects of %s is a problem, and is not quoted', (_, content, length) => {
  const path = fileOf(content);
  expect(findFileProblems(settingsOf({ PANNIER_SUBJECT_KEY_FILE: path })).map((problem) => problem.message)).toEqual([
    `cannot use PANNIER_SUBJECT_KEY_FILE: it is "${path}", which holds ${length} bytes, wanted a key of 16 bytes or more`,
  ]);
});

test('a key of subjects is the content of its file without the line end', () => {
  for (const content of ['1234567890123456', '1234567890123456\n', '1234567890123456\r\n']) {
    const settings = settingsOf({ PANNIER_SUBJECT_KEY_FILE: fileOf(content) });
    expect(findFileProblems(settings)).toEqual([]);
    expect(readSubjectKey(settings)?.toString()).toBe('1234567890123456');
  }
});
