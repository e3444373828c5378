/**
 * Tests that the names of subjects in keys are unambiguous and short for all inputs.
 */
import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { createKeyspace } from './keyspace.ts';

const keyspace = createKeyspace('pannier:');
const LONGEST_KEY_BYTES = 'pannier:rl:{||}'.length + 2 * 64 + 64;

function keyOf(subject: string): string {
  return keyspace.rateLimit('scope', 'policy', subject);
}

function hashOf(subject: string): string {
  return createHash('sha256').update(subject).digest('base64url').slice(0, 22);
}

test.each([
  ['a short subject', 'user-1'],
  ['64 bytes', 'x'.repeat(64)],
  ['64 bytes in 2-byte characters', 'ü'.repeat(32)],
  ['64 bytes in 4-byte characters', '\u{1f600}'.repeat(16)],
  ['the letter h', 'h'],
  ['H and a colon', 'H:1'],
])('uses %s as its own name', (_name, subject) => {
  expect(keyOf(subject)).toBe(`pannier:rl:{scope|policy|${subject}}`);
});

test.each([
  ['65 bytes', 'x'.repeat(65)],
  ['66 bytes in 2-byte characters', 'ü'.repeat(33)],
  ['66 bytes in 3-byte characters', '€'.repeat(22)],
  ['h and a colon', 'h:'],
  ['a subject in the form of a hash', `h:${hashOf('x'.repeat(65))}`],
])('uses a hash as the name of %s', (_name, subject) => {
  expect(keyOf(subject)).toBe(`pannier:rl:{scope|policy|h:${hashOf(subject)}}`);
});

test('gives no two subjects the same key, including subjects with braces, bars and NUL', () => {
  const part = fc.oneof(fc.constantFrom('{', '}', '|', '\0', 'h:', ':', ' ', 'ü', '€', '\u{1f600}'), fc.string());
  const subject = fc.oneof(
    fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('')),
    fc.string({ minLength: 60, maxLength: 70 }),
    fc.string({ minLength: 60, maxLength: 70 }).map((text) => `h:${hashOf(text)}`),
  );
  fc.assert(
    fc.property(fc.uniqueArray(subject, { minLength: 2, maxLength: 50 }), (subjects) => {
      const distinct = subjects.filter((text) => text.isWellFormed());
      const all = distinct.flatMap((text) => [text, keyOf(text).slice('pannier:rl:{scope|policy|'.length, -1)]);
      const unique = [...new Set(all)];
      expect(new Set(unique.map(keyOf)).size).toBe(unique.length);
    }),
    { numRuns: 300 },
  );
});

describe('hashed subjects', () => {
  const KEY = Buffer.from('0123456789abcdef');
  const keyed = createKeyspace('pannier:', KEY);
  const subjects = fc.oneof(
    fc.string({ minLength: 1, maxLength: 70, unit: 'binary' }),
    fc.string().map((text) => `h:s:${hashOf(text)}`),
    fc.string().map((text) => `h:k:${hashOf(text)}`),
    fc.string().map((text) => `h:${hashOf(text)}`),
  );

  test.each(['x', 'sk-live-SECRET-API-KEY', 'x'.repeat(65), 'h:1', '192.0.2.7'])(
    'uses the hash of %s as its name',
    (subject) => {
      const digest = createHmac('sha256', KEY).update(subject).digest('base64url').slice(0, 22);
      expect(keyed.hashedRateLimit('scope', 'policy', subject)).toBe(`pannier:rl:{scope|policy|h:k:${digest}}`);
      expect(keyspace.hashedRateLimit('scope', 'policy', subject)).toBe(
        `pannier:rl:{scope|policy|h:s:${hashOf(subject)}}`,
      );
    },
  );

  test('share no key with each other, with clear subjects, or with those of another hash key', () => {
    const other = createKeyspace('pannier:', Buffer.from('another key of 16 bytes'));
    const namings = [
      keyOf,
      (subject: string) => keyspace.hashedRateLimit('scope', 'policy', subject),
      (subject: string) => keyed.hashedRateLimit('scope', 'policy', subject),
      (subject: string) => other.hashedRateLimit('scope', 'policy', subject),
    ];
    fc.assert(
      fc.property(fc.uniqueArray(subjects, { minLength: 1, maxLength: 20 }), (distinct) => {
        // A caller may also find a name in a Redis key and use this name as a subject.
        const named = distinct.flatMap((subject) =>
          namings.map((name) => name(subject).slice('pannier:rl:{scope|policy|'.length, -1)),
        );
        const all = [...new Set([...distinct, ...named])];
        const keys = all.flatMap((subject) => namings.map((name) => name(subject)));
        expect(new Set(keys).size).toBe(keys.length);
      }),
      { numRuns: 200 },
    );
  });
});

test('separates scopes and policies from the subject', () => {
  const keys = new Set<string>();
  for (const scope of ['', 'a', 'a.b']) {
    for (const policy of ['', 'a', 'b']) {
      for (const subject of ['a', 'a|b', '|a', '||', '}{', '\0', 'b|a|b']) {
        keys.add(keyspace.rateLimit(scope, policy, subject));
      }
    }
  }
  expect(keys.size).toBe(3 * 3 * 7);
});

test('bounds the length of a key for subjects of any length', () => {
  const name = 'n'.repeat(64);
  for (const length of [1, 22, 63, 64, 65, 512, 100_000]) {
    for (const character of ['x', 'ü', '€']) {
      const key = keyspace.rateLimit(name, name, character.repeat(length));
      expect(Buffer.byteLength(key)).toBeLessThanOrEqual(LONGEST_KEY_BYTES);
    }
  }
});
