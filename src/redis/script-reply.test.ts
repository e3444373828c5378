/**
 * Tests that malformed replies throw a plain Error in the parser and in the three Redis stores, so that no failure mode
 * hides such replies.
 */
import { RedisCacheStore } from '../cache/redis-store.ts';
import { StoreError } from '../lib/store-error.ts';
import { compileLimits } from '../rate-limit/model.ts';
import { RedisRateLimitStore } from '../rate-limit/redis-store.ts';
import { RedisSessionStore } from '../session/redis-store.ts';
import type { RedisCommands, RedisReply } from './commands.ts';
import { createKeyspace } from './keyspace.ts';
import { asBytes, asCode, asInteger, asList, asPairs, asText, integerIn } from './script-reply.ts';

const DEADLINE_AT_MS = Number.MAX_SAFE_INTEGER;
const keyspace = createKeyspace('');
const credential = { handle: 'handle', verifier: 'verifier' };
const nothingToChange = {
  change: { set: new Map(), remove: new Set<string>() },
  ifVersion: undefined,
  idleTtlMs: undefined,
  absoluteTtlMs: undefined,
};
const subject = { scope: 's', policy: '', subject: 'x' };
const text = Buffer.from('text');

describe('the parser', () => {
  test('returns values of the expected form', () => {
    expect(asList([1, null], 2)).toEqual([1, null]);
    expect(asPairs([])).toEqual([]);
    expect(asBytes(text)).toBe(text);
    expect(asText(text)).toBe('text');
    expect(asInteger(7)).toBe(7);
    expect(asCode(2, [0, 2])).toBe(2);
  });

  test.each<[string, () => unknown, string]>([
    ['text for a list', () => asList(text), 'a list, got 4 bytes'],
    ['a list that is too short', () => asList([1], 2), 'a list of 2 or more, got a list of 1'],
    ['a name without a value', () => asPairs([text]), 'a list of names and values, got a list of 1'],
    ['a number for bytes', () => asBytes(1), 'bytes, got a number'],
    ['nil for text', () => asText(null), 'bytes, got nil'],
    ['nothing for an integer', () => asInteger(undefined), 'an integer, got nothing'],
    ['a simple string for an integer', () => asInteger('OK'), 'an integer, got a simple string'],
    ['another code', () => asCode(3, [0, 1]), 'one of 0, 1, got a number'],
  ])('refuses %s', (_name, read, found) => {
    expect(read).toThrow(new Error(`cannot read the reply of Redis: it must be ${found}`));
  });

  test.each([
    ['0', 0],
    ['-12', -12],
    ['', undefined],
    ['1.5', undefined],
    ['9007199254740993', undefined],
    ['x', undefined],
  ])('finds the integer in %j', (given, found) => {
    expect(integerIn(given)).toBe(found);
  });
});

/** Calls that cover each parser of replies. */
const CALLS: readonly [string, (commands: RedisCommands) => Promise<unknown>][] = [
  ['take', (commands) => rateLimits(commands).take(takeOf('fixed_window'), DEADLINE_AT_MS)],
  ['take with several limits', (commands) => rateLimits(commands).take(takeOf('fixed_window', 2), DEADLINE_AT_MS)],
  [
    'take with the general script',
    (commands) => rateLimits(commands).take(takeOf('sliding_window_log'), DEADLINE_AT_MS),
  ],
  ['peek', (commands) => rateLimits(commands).take({ ...takeOf('fixed_window'), isPeek: true }, DEADLINE_AT_MS)],
  ['reset of limits', (commands) => rateLimits(commands).reset(subject, limitsOf('fixed_window'), DEADLINE_AT_MS)],
  ['reset', (commands) => rateLimits(commands).reset(subject, undefined, DEADLINE_AT_MS)],
  ['create', (commands) => sessions(commands).create(newSession(''), DEADLINE_AT_MS)],
  ['create for a user', (commands) => sessions(commands).create(newSession('user'), DEADLINE_AT_MS)],
  ['read', (commands) => sessions(commands).read(credential, { touch: true }, DEADLINE_AT_MS)],
  ['update', (commands) => sessions(commands).update(credential, nothingToChange, DEADLINE_AT_MS)],
  ['delete', (commands) => sessions(commands).delete(credential, DEADLINE_AT_MS)],
  ['list', (commands) => sessions(commands).list('user', DEADLINE_AT_MS)],
  ['end', (commands) => sessions(commands).endUserSessions('user', undefined, DEADLINE_AT_MS)],
  ['cache read', (commands) => cache(commands).read('n', text, DEADLINE_AT_MS)],
  ['cache read of many', (commands) => cache(commands).readMany('n', [text], readOptions)],
  ['cache write', (commands) => cache(commands).write(writeOf([]), DEADLINE_AT_MS)],
  ['cache write with tags', (commands) => cache(commands).write(writeOf(['tag']), DEADLINE_AT_MS)],
  ['cache remove', (commands) => cache(commands).remove('n', [text], DEADLINE_AT_MS)],
  ['cache removal of tags', (commands) => cache(commands).removeTags('n', ['tag'], DEADLINE_AT_MS)],
  ['cache flush', (commands) => cache(commands).flush('n', DEADLINE_AT_MS)],
];

const readOptions = { deadlineAtMs: DEADLINE_AT_MS, budgetBytes: 1_000_000 };

function rateLimits(redis: RedisCommands): RedisRateLimitStore {
  return new RedisRateLimitStore({ redis, keyspace });
}

function sessions(commands: RedisCommands): RedisSessionStore {
  return new RedisSessionStore({ commands, keyspace });
}

function cache(commands: RedisCommands): RedisCacheStore {
  return new RedisCacheStore({ commands, keyspace });
}

function limitsOf(algorithm: 'fixed_window' | 'sliding_window_log', count = 1) {
  const spec = { algorithm, limit: 5, windowMs: 1_000, burst: 5 };
  return compileLimits(Array.from({ length: count }, (_, index) => ({ ...spec, name: `limit-${index}` })));
}

function takeOf(algorithm: 'fixed_window' | 'sliding_window_log', count = 1) {
  return { key: subject, limits: limitsOf(algorithm, count), cost: 1, maxDelayMs: undefined };
}

function newSession(userId: string) {
  return { credential, userId, data: new Map(), labels: new Map(), idleTtlMs: 1_000, absoluteTtlMs: 1_000 };
}

function writeOf(tags: readonly string[]) {
  const condition = { kind: 'none' } as const;
  return { namespace: 'n', key: text, value: text, absent: false, ttlMs: 1_000, tags, condition };
}

const MALFORMED: readonly [string, RedisReply][] = [
  ['text', text],
  ['a simple string', 'OK'],
  ['a list that is too short', [1]],
  ['a list of numbers', [1, 2, 3, 4, 5, 6, 7, 8, 9]],
  ['a fraction', 77.5],
];

describe.each(CALLS)('%s', (_name, call) => {
  test.each(MALFORMED)('throws an unexpected error if Redis replies with %s', async (_form, reply) => {
    const answer = async (): Promise<RedisReply> => reply;
    const error: unknown = await call({ run: answer, send: answer }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(StoreError);
    expect((error as Error).message).toMatch(/^cannot read the reply of Redis: it must be /);
  });
});
