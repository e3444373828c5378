/**
 * Tests that certificates and keys are rejected if TLS would ignore them or fail later, and that no error quotes the
 * content of a file.
 */
import { generateKeyPairSync } from 'node:crypto';
import { makeTls, type TestPair, type TestTls } from '../../test/support/redis/tls.ts';
import type { FileReading } from './file-reading.ts';
import { authoritiesOf, clientPairOf } from './tls-material.ts';

let tls: TestTls;
let pair: TestPair;
let other: TestPair;

beforeAll(async () => {
  tls = await makeTls();
  pair = await tls.issue();
  other = await tls.issue();
});

afterAll(() => tls.remove());

function reading(name: string, content: Buffer | undefined): FileReading {
  return { name, path: '/tls/file', content };
}

function checkPair(cert: Buffer | undefined, key: Buffer | undefined): unknown {
  const checked = clientPairOf(reading('CERT', cert), reading('KEY', key));
  return 'problems' in checked ? checked.problems.map(({ message }) => message) : checked.value;
}

test('accepts a list of certificates and rejects one with a damaged certificate', () => {
  const list = Buffer.concat([tls.authority, Buffer.from('\n# text between them\n'), pair.cert]);
  expect(authoritiesOf(reading('CA', list))).toEqual({ value: list });
  const damaged = `${tls.authority}\n-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n`;
  expect(authoritiesOf(reading('CA', Buffer.from(damaged)))).toEqual({
    problems: [
      {
        name: 'CA',
        message: 'cannot use CA "/tls/file": certificate 2 is damaged; use certificates in PEM',
      },
    ],
  });
});

test('rejects certificates without a line end between them, because TLS would trust neither', () => {
  const joined = `${tls.authority.toString().trim()}${pair.cert}`;
  expect(authoritiesOf(reading('CA', Buffer.from(joined)))).toMatchObject({
    problems: [{ message: expect.stringContaining('certificate 1 is damaged') }],
  });
});

test('accepts a matching pair, a certificate with its chain, and no files at all', () => {
  expect(checkPair(pair.cert, pair.key)).toEqual(pair);
  const chain = Buffer.concat([pair.cert, Buffer.from('\n'), tls.authority]);
  expect(checkPair(chain, pair.key)).toEqual({ cert: chain, key: pair.key });
  expect(checkPair(undefined, undefined)).toBeUndefined();
});

test('rejects a key of another certificate, a key with a passphrase, and half a pair', () => {
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'canary' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  expect(checkPair(pair.cert, other.key)).toEqual([
    'cannot use KEY "/tls/file": the key does not match the certificate of CERT; use the key of that certificate',
  ]);
  expect(checkPair(pair.cert, Buffer.from(privateKey))).toEqual([
    'cannot use KEY "/tls/file": the file holds no readable private key; use a key in PEM without a passphrase',
  ]);
  expect(checkPair(pair.key, pair.key)).toEqual([
    'cannot use CERT "/tls/file": the file holds no certificate; use certificates in PEM',
  ]);
  expect(checkPair(pair.cert, undefined)).toEqual([
    'cannot use KEY "/tls/file": the file is missing or empty but that of CERT exists; use both files or neither',
  ]);
  expect(checkPair(undefined, pair.key)).toEqual([
    'cannot use CERT "/tls/file": the file is missing or empty but that of KEY exists; use both files or neither',
  ]);
});
