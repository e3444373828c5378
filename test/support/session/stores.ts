/**
 * Creates the stores of sessions on which the suites run. A suite can control the time of each store and inspect the
 * contents of the store.
 */

import { systemClock } from '../../../src/lib/clock.ts';
import { createKeyspace } from '../../../src/redis/keyspace.ts';
import type { Redis } from '../../../src/redis/redis.ts';
import { RedisSessionStore } from '../../../src/session/redis-store.ts';
import type { SessionStore } from '../../../src/session/store.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import { openRedis, PATIENT } from '../redis/client.ts';
import { startCluster } from '../redis/cluster.ts';
import { type RedisNode, startRedis } from '../redis/server.ts';
import { waitFor } from '../wait.ts';
import { holdsInMemory, memorySessionStore } from './memory-store.ts';

export interface SessionStoreFixture {
  readonly store: SessionStore;
  /** Store of a second sidecar with its own connections; unset for a memory store with a fake clock. */
  readonly otherStore?: SessionStore;
  /** Waits until `probe` is true: advances a fake clock by `afterMs`, or lets the real time pass. */
  eventually(what: string, afterMs: number, probe: () => Promise<boolean>): Promise<void>;
  /** Returns whether the store keeps anything under this handle. */
  holds(handle: string): Promise<boolean>;
  /** Returns every key, field and value in the store; empty if only the process itself can access them. */
  dump(): Promise<readonly string[]>;
  /** Returns the keys without an expiry. */
  keysWithoutTtl(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export async function memoryFixture(): Promise<SessionStoreFixture> {
  const clock = new FakeClock();
  const store = memorySessionStore({ clock });
  return {
    store,
    eventually: async (what, afterMs, probe) => {
      clock.advance(afterMs);
      if (!(await probe())) {
        throw new Error(`cannot continue: ${what} did not happen after ${afterMs} ms of the fake clock`);
      }
    },
    holds: async (handle) => holdsInMemory(store, handle),
    dump: async () => [],
    keysWithoutTtl: async () => [],
    close: async () => undefined,
  };
}

export async function standaloneFixture(): Promise<SessionStoreFixture> {
  const server = await startRedis();
  return await redisFixture([server], () => server.stop());
}

export async function clusterFixture(): Promise<SessionStoreFixture> {
  const cluster = await startCluster();
  return await redisFixture(cluster.masters(), () => cluster.stop());
}

const PREFIX = 'test:';

async function redisFixture(masters: readonly RedisNode[], stop: () => Promise<void>): Promise<SessionStoreFixture> {
  const urls = masters.map((node) => node.url).join(',');
  const redis = await openRedis(urls, PATIENT);
  const otherRedis = await openRedis(urls, PATIENT);
  const keyspace = createKeyspace(PREFIX);
  return {
    store: new RedisSessionStore({ commands: redis, keyspace }),
    otherStore: new RedisSessionStore({ commands: otherRedis, keyspace }),
    eventually: (what, afterMs, probe) => waitFor(what, probe, afterMs + 5_000).then(() => undefined),
    holds: async (handle) => (await send(redis, keyspace.session(handle), 'EXISTS')) === 1,
    dump: () => dumpOf(masters),
    keysWithoutTtl: async () => {
      const keys: string[] = [];
      for (const node of masters) {
        for (const key of await keysOf(node)) {
          if ((await node.command('PTTL', key)) === -1) {
            keys.push(key);
          }
        }
      }
      return keys;
    },
    close: async () => {
      redis.close();
      otherRedis.close();
      await stop();
    },
  };
}

async function send(redis: Redis, key: string, name: string): Promise<unknown> {
  return await redis.send(key, [name, key], systemClock.monotonicMs() + 5_000);
}

async function keysOf(node: RedisNode): Promise<string[]> {
  return ((await node.command('KEYS', '*')) as unknown[]).map(String);
}

async function dumpOf(masters: readonly RedisNode[]): Promise<string[]> {
  const found: string[] = [];
  for (const node of masters) {
    for (const key of await keysOf(node)) {
      found.push(key, ...((await node.command('EVAL', "return redis.call('HGETALL', KEYS[1])", '1', key)) as string[]));
    }
  }
  return found;
}
