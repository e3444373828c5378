/**
 * Certificates and keys that TLS would overlook or fail with later are problems at once, and their content is not quoted.
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

function judgePair(cert: Buffer | undefined, key: Buffer | undefined): unknown {
  const judged = clientPairOf(reading('CERT', cert), reading('KEY', key));
  return 'problems' in judged ? judged.problems.map(({ message }) => message) : judged.value;
}

test('a list of certificates is used as it is; one that is damaged anywhere is a problem', () => {
  const list = Buffer.concat([tls.authority, Buffer.from('\n# text between them\n'), pair.cert]);
  expect(authoritiesOf(reading('CA', list))).toEqual({ value: list });
  const damaged = `${tls.authority}\n-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n`;
  expect(authoritiesOf(reading('CA', Buffer.from(damaged)))).toEqual({
    problems: [
      {
        name: 'CA',
        message: 'cannot use CA: it is "/tls/file", whose certificate 2 is damaged, wanted certificates in PEM',
      },
    ],
  });
});

test('certificates without a line end between them are a problem: TLS would trust neither', () => {
  const joined = `${tls.authority.toString().trim()}${pair.cert}`;
  expect(authoritiesOf(reading('CA', Buffer.from(joined)))).toMatchObject({
    problems: [{ message: expect.stringContaining('certificate 1 is damaged') }],
  });
});

test('a pair that belongs together is used, also with the chain behind the certificate; no files are no pair', () => {
  expect(judgePair(pair.cert, pair.key)).toEqual(pair);
  const chain = Buffer.concat([pair.cert, Buffer.from('\n'), tls.authority]);
  expect(judgePair(chain, pair.key)).toEqual({ cert: chain, key: pair.key });
  expect(judgePair(undefined, undefined)).toBeUndefined();
});

test('a key of another certificate, one with a passphrase, and half a pair are problems', () => {
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'canary' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  expect(judgePair(pair.cert, other.key)).toEqual([
    'cannot use KEY: it is "/tls/file", whose key does not belong to the certificate of CERT, wanted the key of that certificate',
  ]);
  expect(judgePair(pair.cert, Buffer.from(privateKey))).toEqual([
    'cannot use KEY: it is "/tls/file", which holds no private key that can be read without a passphrase, wanted a key in PEM',
  ]);
  expect(judgePair(pair.key, pair.key)).toEqual([
    'cannot use CERT: it is "/tls/file", which holds no certificate, wanted certificates in PEM',
  ]);
  expect(judgePair(pair.cert, undefined)).toEqual([
    'cannot use KEY: it is "/tls/file", which is missing or empty while CERT is there, wanted both files or neither',
  ]);
  expect(judgePair(undefined, pair.key)).toEqual([
    'cannot use CERT: it is "/tls/file", which is missing or empty while KEY is there, wanted both files or neither',
  ]);
});
