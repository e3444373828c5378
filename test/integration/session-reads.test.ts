/**
 * Tests GetSession: the number of its commands, the renewal of the idle timeout, and its responses while Redis rejects
 * writes.
 */
import type { Redis } from '../../src/redis/redis.ts';
import type { IssuedSessionId, SessionRecord } from '../../src/session/model.ts';
import { openRedis, PATIENT, soonMs } from '../support/redis/client.ts';
import { commandCalls } from '../support/redis/command-stats.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { createIn, type RecordedStore, recordedStore } from '../support/session/steps.ts';
import { waitFor } from '../support/wait.ts';

let server: RedisNode;
let redis: Redis;
let recorded: RecordedStore;

beforeAll(async () => {
  server = await startRedis({ args: ['--enable-protected-configs', 'local', '--maxmemory-policy', 'noeviction'] });
  redis = await openRedis(server.url, PATIENT);
  recorded = recordedStore(redis);
}, 60_000);

afterAll(async () => {
  redis?.close();
  await server?.stop();
});

async function read({ credential }: IssuedSessionId, touch: boolean): Promise<SessionRecord> {
  const session = await recorded.store.read(credential, { touch }, soonMs());
  if (session === undefined) {
    throw new Error('cannot read the session: it does not exist');
  }
  return session;
}

/** Returns how often the server has executed a command, including calls from scripts. */
async function executions(command: string): Promise<number> {
  return await commandCalls(server, [command]);
}

test('a read costs one command for a guest, two for a user, and one more if the idle timeout must be renewed', async () => {
  const guest = await createIn(recorded.store);
  const user = await createIn(recorded.store, { userId: 'ann' });
  recorded.takeSteps();
  await read(guest, false);
  expect(recorded.takeSteps()).toEqual(['session-read']);
  await read(user, false);
  expect(recorded.takeSteps()).toEqual(['session-read', 'HMGET']);
  const renewal = await waitFor('a renewal', async () => {
    await read(user, true);
    const steps = recorded.takeSteps();
    return steps.length > 2 ? steps : undefined;
  });
  // The store reads the generation before the renewal, so that a blocked renewal does not delay this read.
  expect(renewal).toEqual(['session-read', 'HMGET', 'session-touch']);
  await waitFor('a renewal of the guest', async () => {
    await read(guest, true);
    return recorded.takeSteps().includes('session-touch');
  });
});

test('a session that is read constantly is renewed and written at most once per second', async () => {
  const session = await createIn(recorded.store, { idleTtlMs: 600_000 });
  const writesBefore = await executions('pexpireat');
  const seen = new Set<number>();
  await waitFor(
    'four renewals',
    async () => {
      const reads = await Promise.all(Array.from({ length: 8 }, () => read(session, true)));
      for (const { lastSeenAtMs } of reads) {
        seen.add(lastSeenAtMs);
      }
      return seen.size > 4;
    },
    20_000,
  );
  const times = [...seen].sort((left, right) => left - right);
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(1_000);
  expect((await executions('pexpireat')) - writesBefore).toBe(gaps.length);
});

test('a read renews the idle timeout and reports the expiry that Redis has', async () => {
  const session = await createIn(recorded.store, { idleTtlMs: 1_500 });
  const first = await read(session, false);
  // The test reads the session until well after the time at which it would have expired without these reads.
  await waitFor('a session older than its idle timeout', async () => {
    const { lastSeenAtMs } = await read(session, true);
    return lastSeenAtMs > first.lastSeenAtMs + 2_000;
  });
  const { lastSeenAtMs, idleTtlMs } = await read(session, false);
  const key = `session:{${session.credential.handle}}`;
  expect(await redis.send(key, ['PEXPIRETIME', key], soonMs())).toBe(lastSeenAtMs + idleTtlMs);
});

/**
 * Conditions under which Redis rejects the renewal. A server that is out of memory accepts the renewal, because a
 * renewal needs no additional memory.
 */
const REFUSALS: Readonly<Record<string, { begin(): Promise<unknown>; end(): Promise<unknown> }>> = {
  'that cannot save to its disk (MISCONF)': {
    begin: async () => {
      await server.command('CONFIG', 'SET', 'save', '1 1');
      // No user can create files in this directory.
      await server.command('CONFIG', 'SET', 'dir', '/proc');
      await waitFor('a failed save', async () => {
        await server.command('BGSAVE').catch(() => undefined);
        return String(await server.command('INFO', 'persistence')).includes('rdb_last_bgsave_status:err');
      });
    },
    end: async () => {
      await server.command('CONFIG', 'SET', 'save', '');
      await server.command('CONFIG', 'SET', 'dir', '/tmp');
    },
  },
  'without enough replicas (NOREPLICAS)': {
    begin: () => server.command('CONFIG', 'SET', 'min-replicas-to-write', '1'),
    end: () => server.command('CONFIG', 'SET', 'min-replicas-to-write', '0'),
  },
  'whose writes are paused (CLIENT PAUSE WRITE)': {
    begin: () => server.command('CLIENT', 'PAUSE', '600000', 'WRITE'),
    end: () => server.command('CLIENT', 'UNPAUSE'),
  },
};

test.each(Object.keys(REFUSALS))('a server %s returns sessions with their current expiry', async (name) => {
  const refusal = REFUSALS[name];
  const made = [await createIn(recorded.store), await createIn(recorded.store, { userId: 'ann' })];
  const before = await Promise.all(made.map((session) => read(session, false)));
  // After this wait, a renewal is due.
  await waitFor('a later second', async () => {
    const [seconds] = (await redis.send('', ['TIME'], soonMs())) as Buffer[];
    return Number(String(seconds)) * 1_000 > Math.max(...before.map(({ lastSeenAtMs }) => lastSeenAtMs)) + 1_000;
  });
  await refusal?.begin();
  try {
    for (const [index, session] of made.entries()) {
      const { lastSeenAtMs } = before[index] as SessionRecord;
      // A read fails if the store drops its connection, because an earlier blocked write received no reply.
      expect(await waitFor('a read', () => read(session, false))).toMatchObject({ lastSeenAtMs });
      recorded.takeSteps();
      expect(await waitFor('a read', () => read(session, true))).toMatchObject({ lastSeenAtMs });
      expect(recorded.takeSteps()).toContain('session-touch');
    }
    const sessions = await waitFor('a list', () => recorded.store.list('ann', soonMs()));
    expect(sessions.length).toBeGreaterThan(0);
  } finally {
    await refusal?.end();
  }
  for (const [index, session] of made.entries()) {
    const { lastSeenAtMs } = before[index] as SessionRecord;
    await waitFor('a renewal', async () => (await read(session, true)).lastSeenAtMs > lastSeenAtMs);
  }
});

test('a renewal that finds the session deleted revives nothing', async () => {
  let session = await createIn(recorded.store, { idleTtlMs: 50 });
  const { store } = recordedStore({
    send: (...call) => redis.send(...call),
    run: async (script, ...rest) => {
      if (script.name === 'session-touch') {
        await recorded.store.delete(session.credential, soonMs());
      }
      return await redis.run(script, ...rest);
    },
  });
  // On a slow machine, a session may expire before the test reads it. Each attempt therefore uses a new session.
  await waitFor('a deletion before a renewal', async () => {
    session = await createIn(recorded.store, { idleTtlMs: 50 });
    recorded.takeSteps();
    let isRead = true;
    while (isRead) {
      isRead = (await store.read(session.credential, { touch: true }, soonMs())) !== undefined;
    }
    return recorded.takeSteps().includes('session-delete');
  });
  const name = `session:{${session.credential.handle}}`;
  expect(await redis.send(name, ['EXISTS', name], soonMs())).toBe(0);
});
