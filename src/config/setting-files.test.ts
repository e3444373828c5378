/**
 * Tests the files that settings name: which errors prevent the start, which settings are treated as unset, and that
 * errors never quote the content of a file.
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
    ['missing', gone, 'ENOENT; use a readable file'],
    ['a directory', directory, 'EISDIR; use a readable file'],
    ['empty', fileOf('\n'), `the file is empty; write its content or unset ${name}`],
  ])('rejects a file that is %s', (_, path, problem) => {
    const message = `cannot use ${name} "${path}": ${problem}`;
    expect(findFileProblems(settingsOf({ [name]: path }))).toEqual([{ name, message }]);
  });

  test.each([
    ['missing', gone],
    ['blank', fileOf('\n')],
    ['empty', fileOf('')],
  ])('treats a file that is %s as unset if files are optional', async (_, path) => {
    const settings = settingsOf({ [name]: path, PANNIER_REDIS_FILES_OPTIONAL: 'true' });
    expect(findFileProblems(settings)).toEqual([]);
    expect(await read(settings)).toBeUndefined();
  });

  test('rejects an unreadable file even if files are optional', async () => {
    const settings = settingsOf({ [name]: directory, PANNIER_REDIS_FILES_OPTIONAL: 'true' });
    expect(findFileProblems(settings)).toHaveLength(1);
    await expect(read(settings)).rejects.toThrow('EISDIR');
  });
});

test('rejects a CA file without certificates and does not quote its content', () => {
  const path = fileOf('canary');
  expect(findFileProblems(settingsOf({ PANNIER_REDIS_TLS_CA_FILE: path })).map((problem) => problem.message)).toEqual([
    `cannot use PANNIER_REDIS_TLS_CA_FILE "${path}": the file holds no certificate; use certificates in PEM`,
  ]);
});

test('reads a password without the last line end of its file', async () => {
  expect(await readRedisPassword(settingsOf({ PANNIER_REDIS_PASSWORD_FILE: fileOf(' a b \r\n') }))).toBe(' a b ');
  expect(await readRedisPassword(settingsOf({}))).toBeUndefined();
});

test.each([
  ['fifteen bytes', '123456789012345', 15],
  ['fifteen bytes and a line end', '123456789012345\n', 15],
])('rejects a subject key of %s and does not quote it', (_, content, length) => {
  const path = fileOf(content);
  expect(findFileProblems(settingsOf({ PANNIER_SUBJECT_KEY_FILE: path })).map((problem) => problem.message)).toEqual([
    `cannot use PANNIER_SUBJECT_KEY_FILE "${path}": the key has ${length} bytes; use a key of 16 bytes or more`,
  ]);
});

test('reads a subject key without the line end of its file', () => {
  for (const content of ['1234567890123456', '1234567890123456\n', '1234567890123456\r\n']) {
    const settings = settingsOf({ PANNIER_SUBJECT_KEY_FILE: fileOf(content) });
    expect(findFileProblems(settings)).toEqual([]);
    expect(readSubjectKey(settings)?.toString()).toBe('1234567890123456');
  }
});
