/**
 * Tests TLS files that change while the sidecar runs: valid files take effect at the next read, and invalid files do
 * not replace the previous files.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '../../test/support/lib/silent-logger.ts';
import { makeTls, type TestPair, type TestTls } from '../../test/support/redis/tls.ts';
import type { Logger } from '../lib/logger.ts';
import { loadSettings } from './load.ts';
import { RedisTlsFiles } from './redis-tls-files.ts';

let tls: TestTls;
let errors: string[];
let first: TestPair;
let second: TestPair;

beforeEach(async () => {
  errors = [];
  tls = await makeTls();
  first = await tls.issue();
  second = await tls.issue();
  tls.write('ca.pem', tls.authority);
  write(first);
});

afterEach(() => tls.remove());

function write({ cert, key }: Partial<TestPair>): void {
  if (cert !== undefined) {
    tls.write('tls.crt', cert);
  }
  if (key !== undefined) {
    tls.write('tls.key', key);
  }
}

function open(environment: Record<string, string> = {}): RedisTlsFiles {
  const path = (name: string): string => join(tls.directory, name);
  const loaded = loadSettings({
    PANNIER_REDIS_TLS_CA_FILE: path('ca.pem'),
    PANNIER_REDIS_TLS_CERT_FILE: path('tls.crt'),
    PANNIER_REDIS_TLS_KEY_FILE: path('tls.key'),
    ...environment,
  });
  if ('problems' in loaded) {
    throw new Error(loaded.problems[0].message);
  }
  const log: Logger = {
    ...silentLogger,
    error: (fields, message) => errors.push(`${message}: ${JSON.stringify(fields)}`),
  };
  return new RedisTlsFiles(loaded.settings, log);
}

function remove(name: string): void {
  rmSync(join(tls.directory, name));
}

test('returns the current content of the files at every read', async () => {
  const files = open();
  expect(await files.read()).toEqual({ ca: tls.authority, clientPair: first });
  const ca = Buffer.concat([tls.authority, second.cert]);
  tls.write('ca.pem', ca);
  write(second);
  expect(await files.read()).toEqual({ ca, clientPair: second });
  expect(errors).toEqual([]);
});

test.each([
  ['missing', () => remove('ca.pem'), 'ENOENT'],
  ['empty', () => void tls.write('ca.pem', ''), 'the file is empty'],
  ['not a certificate', () => void tls.write('ca.pem', 'canary'), 'the file holds no certificate'],
])('keeps the CA and logs one error while the CA file is %s', async (_, damage, problem) => {
  const files = open();
  await files.read();
  damage();
  for (let round = 0; round < 3; round += 1) {
    expect(await files.read()).toEqual({ ca: tls.authority, clientPair: first });
  }
  expect(errors).toEqual([expect.stringContaining('cannot use the CA for Redis, keeping the previous one')]);
  expect(errors[0]).toContain(problem);
  expect(errors[0]).not.toContain('canary');
  tls.write('ca.pem', second.cert);
  expect(await files.read()).toMatchObject({ ca: second.cert });
  damage();
  expect(await files.read()).toMatchObject({ ca: second.cert });
  expect(errors).toHaveLength(2);
});

test('keeps the previous pair halfway through a rotation, and still replaces the CA', async () => {
  const files = open();
  await files.read();
  write({ cert: second.cert });
  tls.write('ca.pem', second.cert);
  expect(await files.read()).toEqual({ ca: second.cert, clientPair: first });
  expect(errors).toEqual([
    expect.stringContaining('cannot use the client certificate for Redis, keeping the previous one'),
  ]);
  write({ key: second.key });
  expect(await files.read()).toEqual({ ca: second.cert, clientPair: second });
  expect(errors).toHaveLength(1);
});

test('rejects every read and logs one error while no version of the CA file was ever valid', async () => {
  tls.write('ca.pem', 'canary');
  const files = open();
  await expect(files.read()).rejects.toThrow('PANNIER_REDIS_TLS_CA_FILE');
  await expect(files.read()).rejects.toThrow('PANNIER_REDIS_TLS_CA_FILE');
  expect(errors).toEqual([expect.stringContaining('cannot use the CA for Redis, not connecting:')]);
});

test('treats missing or empty optional files as unset, and rejects half a pair', async () => {
  const files = open({ PANNIER_REDIS_FILES_OPTIONAL: 'true' });
  await files.read();
  remove('ca.pem');
  write({ cert: Buffer.from('\n'), key: Buffer.from('') });
  expect(await files.read()).toEqual({ ca: undefined, clientPair: undefined });
  expect(errors).toEqual([]);
  write({ cert: first.cert });
  expect(await files.read()).toEqual({ ca: undefined, clientPair: undefined });
  expect(errors).toEqual([expect.stringContaining('use both files or neither')]);
});

test.each([
  ['CERT', 'KEY'],
  ['KEY', 'CERT'],
])('rejects the %s file without its counterpart and names the missing setting', (given, missing) => {
  const loaded = loadSettings({ [`PANNIER_REDIS_TLS_${given}_FILE`]: '/x' });
  const message = `cannot use PANNIER_REDIS_TLS_${given}_FILE: PANNIER_REDIS_TLS_${missing}_FILE is not set; set both or neither`;
  expect(loaded).toEqual({ problems: [{ name: `PANNIER_REDIS_TLS_${missing}_FILE`, message }] });
});
