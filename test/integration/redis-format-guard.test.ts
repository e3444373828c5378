/**
 * Tests the version key on a real Redis: which release writes the key, and for which releases the key makes all calls
 * fail. Also tests that calls continue if the sidecar cannot read the key.
 */
import { MAX_WINDOW_MS } from '../../src/config/policy-file.ts';
import { expectedErrorStatus } from '../../src/grpc/error-status.ts';
import { Status } from '../../src/grpc/status.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { Logger } from '../../src/lib/logger.ts';
import { StoredFormatError } from '../../src/lib/store-error.ts';
import { FormatGuard } from '../../src/redis/format-guard.ts';
import { createKeyspace } from '../../src/redis/keyspace.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { RefusalLog } from '../../src/redis/refusal-log.ts';
import { openRedis, PATIENT, soonMs } from '../support/redis/client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

const KEY = createKeyspace('').format('state');
/** Maximum time for which Redis stores the state of a limit, which is two windows. */
const LONGEST_LIFETIME_MS = 2 * MAX_WINDOW_MS;

let server: RedisNode;
let redis: Redis;
let lines: { level: string; fields: object; message: string }[];
const guards: FormatGuard[] = [];

const log: Logger = {
  error: (fields, message) => lines.push({ level: 'error', fields, message }),
  warn: (fields, message) => lines.push({ level: 'warn', fields, message }),
  info: (fields, message) => lines.push({ level: 'info', fields, message }),
  debug: () => undefined,
};

beforeAll(async () => {
  server = await startRedis();
  redis = await openRedis(server.url, PATIENT);
}, 60_000);

afterAll(async () => {
  redis?.close();
  await server?.stop();
});

beforeEach(async () => {
  lines = [];
  await server.command('FLUSHALL');
});

afterEach(() => {
  for (const guard of guards.splice(0)) {
    guard.close();
  }
});

/** Creates the guard of a release that writes this format, and notifies the guard of a new connection. */
function guardOf(writes: number, commands: Redis = redis): FormatGuard {
  const release = { writes, readsUpTo: writes + 1 };
  const options = { commands, role: 'state', key: KEY, clock: systemClock, log, release, recheckMs: 50 };
  const guard = new FormatGuard(options);
  guards.push(guard);
  guard.onConnectionChange();
  return guard;
}

async function checked(guard: FormatGuard): Promise<FormatGuard> {
  await waitFor('a check', () => guard.hasAnswered && (guard.format !== undefined || guard.refusal !== undefined));
  return guard;
}

async function storedFormat(): Promise<string> {
  return String(await server.command('GET', KEY));
}

async function pingThrough(guard: FormatGuard): Promise<unknown> {
  return await guard.send('a', ['EXISTS', 'a'], soonMs());
}

test('is written by the first sidecar and raised by the next release, while the previous one continues', async () => {
  const first = await checked(guardOf(1));
  await waitFor('the key', async () => (await storedFormat()) === '1');
  const second = await checked(guardOf(2));
  await waitFor('the raised key', async () => (await storedFormat()) === '2');
  first.onConnectionChange();
  await waitFor('the raised key being seen', () => first.format === 2);
  expect(await pingThrough(first)).toBe(0);
  expect(await pingThrough(second)).toBe(0);
  // The guard has read the key again, and must not have lowered the value of the key.
  expect(await storedFormat()).toBe('2');
});

test('outlives the longest window of a limit, and is renewed by each check', async () => {
  const guard = await checked(guardOf(1));
  await waitFor('the key', async () => Number(await server.command('PTTL', KEY)) > LONGEST_LIFETIME_MS);
  await server.command('PEXPIRE', KEY, '60000');
  guard.onConnectionChange();
  await waitFor('the renewal', async () => Number(await server.command('PTTL', KEY)) > LONGEST_LIFETIME_MS);
});

test.each([
  ['a newer format than this release reads', 1, '3', '2'],
  ['an older format than the previous release wrote', 5, '3', '4'],
  ['a value that is not a format', 1, 'x', '1'],
])(
  'rejects all calls with FAILED_PRECONDITION, and reports it once, until it is corrected: %s',
  async (_, writes, wrong, right) => {
    await server.command('SET', KEY, wrong);
    const guard = await checked(guardOf(writes));
    const refused = await pingThrough(guard).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(StoredFormatError);
    expect(expectedErrorStatus(refused as StoredFormatError)).toMatchObject({
      code: Status.FAILED_PRECONDITION,
      message: expect.stringContaining(`this release reads formats ${writes} to ${writes + 1}`),
    });
    // Further checks of the key do not log any more lines.
    for (let index = 0; index < 5; index += 1) {
      guard.onConnectionChange();
    }
    // If no probe explains a refusal within a second, the guard reports the refusal. The test therefore waits for
    // longer than a second.
    await waitFor('two seconds of checks', async () => {
      const info = String(await server.command('INFO', 'commandstats'));
      return Number(/^cmdstat_get:calls=(\d+)/m.exec(info)?.[1] ?? 0) > 3;
    });
    expect(await storedFormat()).toBe(wrong);
    expect(lines.filter(({ level }) => level === 'error')).toEqual([
      {
        level: 'error',
        fields: { role: 'state', detail: guard.refusal },
        message: 'stored data has an unsupported format, rejecting all calls',
      },
    ]);
    await server.command('SET', KEY, right);
    await waitFor('service', async () => (await pingThrough(guard).catch(() => undefined)) === 0);
    expect(lines.at(-1)).toMatchObject({ level: 'info', fields: { role: 'state', format: Number(right) } });
  },
);

test('is written again after it was removed, and calls are served again', async () => {
  await server.command('SET', KEY, '3');
  const guard = await checked(guardOf(1));
  expect(guard.refusal).toContain('format 3');
  await server.command('DEL', KEY);
  await waitFor('service', async () => (await pingThrough(guard).catch(() => undefined)) === 0);
  expect(await storedFormat()).toBe('1');
});

test('does not stop calls to a Redis that refuses writes, and is written once Redis accepts them', async () => {
  await server.command('CONFIG', 'SET', 'min-replicas-to-write', '1');
  try {
    const guard = await checked(guardOf(1));
    expect(await pingThrough(guard)).toBe(0);
    expect(await server.command('EXISTS', KEY)).toBe(0);
  } finally {
    await server.command('CONFIG', 'SET', 'min-replicas-to-write', '0');
  }
  await waitFor('the key', async () => (await storedFormat()) === '1');
  expect(lines).toEqual([]);
});

test('is written to a full Redis', async () => {
  await server.command('CONFIG', 'SET', 'maxmemory', '1');
  try {
    await checked(guardOf(1));
    await waitFor('the key', async () => (await storedFormat()) === '1');
  } finally {
    await server.command('CONFIG', 'SET', 'maxmemory', '0');
  }
});

test('is not checked, with one log line, if the user may not read it', async () => {
  await server.command(
    'ACL',
    'SETUSER',
    'old',
    'reset',
    'on',
    '>secret',
    '~a',
    '~rl:*',
    '~session:*',
    '~user:*',
    '+@all',
  );
  const refusals = new RefusalLog({ role: 'state', clock: systemClock, log });
  const permissions = { area: 'state', prefix: '' } as const;
  const narrow = await openRedis(server.url.replace('redis://', 'redis://old:secret@'), {
    ...PATIENT,
    refusals,
    permissions,
  });
  try {
    const guard = guardOf(1, narrow);
    await waitFor('the warning', () => lines.length > 0);
    expect(guard.hasAnswered).toBe(true);
    expect(await pingThrough(guard)).toBe(0);
    await waitFor('a further check', async () => {
      const info = String(await server.command('INFO', 'commandstats'));
      return Number(/^cmdstat_get:.*rejected_calls=(\d+)/m.exec(info)?.[1] ?? 0) > 60;
    });
    expect(lines).toEqual([
      { level: 'warn', fields: expect.objectContaining({ role: 'state', code: 'NOPERM' }), message: expect.anything() },
    ]);
    expect(refusals.isEmpty).toBe(true);
  } finally {
    narrow.close();
  }
});

test('does not change the errors of an unreachable Redis, and is checked when it returns', async () => {
  const other = await startRedis();
  const lost = await openRedis(other.url, PATIENT);
  const guard = guardOf(1, lost);
  await checked(guard);
  await other.stop();
  await waitFor('the loss', () => !lost.isReady());
  guard.onConnectionChange();
  await expect(pingThrough(guard)).rejects.toMatchObject({ kind: 'unavailable' });
  const back = await startRedis({ port: other.port });
  await back.command('SET', KEY, '3');
  await waitFor('the refusal', () => guard.refusal !== undefined);
  expect(lines.map(({ level }) => level)).toEqual(['error']);
  lost.close();
  await back.stop();
});
