/**
 * Tests every script and command of the stores on a standalone server that became a replica. The server refuses every
 * script that writes, and every write command outside a script. The client verifies the role before every read.
 *
 *   1. The test records scripts and commands while the store contracts run, so it covers new scripts and commands
 *      automatically.
 *   2. A script includes only the library blocks that it uses. The test therefore checks that every block of every
 *      script file is part of a recorded script.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RedisCacheStore } from '../../src/cache/redis-store.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { StoreError } from '../../src/lib/store-error.ts';
import { RedisRateLimitStore } from '../../src/rate-limit/redis-store.ts';
import { READ_COMMANDS, type RedisArgument, type RedisCommands } from '../../src/redis/commands.ts';
import { removeWrongType } from '../../src/redis/damage-repair.ts';
import { FormatGuard } from '../../src/redis/format-guard.ts';
import { createKeyspace } from '../../src/redis/keyspace.ts';
import type { Script } from '../../src/redis/lua-script.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { RedisSessionStore } from '../../src/session/redis-store.ts';
import { cacheStoreContract } from '../support/cache/store-contract.ts';
import { silentLogger } from '../support/lib/silent-logger.ts';
import { describeRateLimitStore } from '../support/rate-limit/store-contract.ts';
import { openRedis, PATIENT, soonMs } from '../support/redis/client.ts';
import { freePort, type RedisNode, startRedis } from '../support/redis/server.ts';
import { repositoryFiles, repositoryRoot } from '../support/repository.ts';
import { sessionStoreContract } from '../support/session/store-contract.ts';
import { waitFor } from '../support/wait.ts';

const keyspace = createKeyspace('test:');

interface ScriptCall {
  readonly script: Script;
  readonly keys: readonly RedisArgument[];
  readonly args: readonly RedisArgument[];
}

interface BareCall {
  readonly key: RedisArgument;
  readonly command: readonly RedisArgument[];
}

/** Last call of each script and of each command. */
const scripts = new Map<string, ScriptCall>();
const commands = new Map<string, BareCall>();

function recorded(redis: Redis): RedisCommands {
  return {
    run: (script, keys, args, deadlineAtMs, options) => {
      scripts.set(script.sha1, { script, keys, args });
      return redis.run(script, keys, args, deadlineAtMs, options);
    },
    send: (key, command, deadlineAtMs, options) => {
      commands.set(String(command[0]), { key, command });
      return redis.send(key, command, deadlineAtMs, options);
    },
  };
}

let server: RedisNode;
let redis: Redis;

beforeAll(async () => {
  server = await startRedis({ args: ['--replica-serve-stale-data', 'yes'] });
  redis = await openRedis(server.url, PATIENT);
});

afterAll(async () => {
  redis?.close();
  await server?.stop();
});

async function emptied(): Promise<RedisCommands> {
  await server.command('FLUSHALL');
  return recorded(redis);
}

async function close(): Promise<void> {
  // All tests share one server.
}

describeRateLimitStore('recorded', async () => ({
  store: new RedisRateLimitStore({ redis: await emptied(), keyspace }),
  keysWithoutTtl: async () => [],
  close,
}));

cacheStoreContract('recorded', async () => ({
  store: new RedisCacheStore({ commands: await emptied(), keyspace }),
  close,
}));

sessionStoreContract('recorded', async () => ({
  store: new RedisSessionStore({ commands: await emptied(), keyspace }),
  eventually: async (what, afterMs, probe) => {
    await waitFor(what, probe, afterMs + 5_000);
  },
  holds: async (handle) => (await server.command('EXISTS', keyspace.session(handle))) === 1,
  dump: async () => [],
  keysWithoutTtl: async () => [],
  close,
}));

test('writes the version key', async () => {
  const key = keyspace.format('state');
  const guard = new FormatGuard({
    commands: await emptied(),
    role: 'state',
    key,
    clock: systemClock,
    log: silentLogger,
  });
  guard.onConnectionChange();
  await waitFor('the version key', async () => (await server.command('EXISTS', key)) === 1);
  guard.close();
});

test('removes damaged values', async () => {
  const asked = await emptied();
  await asked.run(removeWrongType, ['test:a'], ['hash'], soonMs());
  const sessions = new RedisSessionStore({ commands: asked, keyspace });
  const credential = { handle: 'handle', verifier: 'verifier' };
  const data = new Map<string, Buffer>();
  const lives = { idleTtlMs: 60_000, absoluteTtlMs: 60_000, labels: new Map<string, string>() };
  await sessions.create({ userId: '', credential, data, ...lives }, soonMs());
  await server.command('HDEL', keyspace.session('handle'), 'c');
  expect(await sessions.read(credential, { touch: false }, soonMs())).toBeUndefined();
});

describe('on a server that became a replica', () => {
  beforeAll(async () => {
    for (const { script } of scripts.values()) {
      await server.command('SCRIPT', 'LOAD', script.source);
    }
    await server.command('REPLICAOF', '127.0.0.1', String(await freePort()));
  });

  test('has recorded every block of every script file', () => {
    const sources = [...scripts.values()].map(({ script }) => script.source);
    const files = repositoryFiles(['src/**/*.lua']);
    expect(files.length).toBeGreaterThan(15);
    const missing = files.flatMap((file) =>
      blocksOf(file)
        .filter((block) => !sources.some((source) => source.includes(block)))
        .map((block) => `${file}: ${block}`),
    );
    expect(missing).toEqual([]);
  });

  test('refuses every write script and every bare write', async () => {
    const refusals = new Map<string, string>();
    const answer = async (words: readonly RedisArgument[]): Promise<string> => {
      try {
        return `answered: ${String(await server.command(...words.map(String)))}`;
      } catch (error) {
        return error instanceof Error ? (error.message.split(' ')[0] ?? '') : 'not an Error';
      }
    };
    for (const { script, keys, args } of scripts.values()) {
      if (script.kind !== 'read') {
        refusals.set(script.name, await answer(['EVALSHA', script.sha1, String(keys.length), ...keys, ...args]));
      }
    }
    for (const [name, { command }] of commands) {
      if (!READ_COMMANDS.has(name)) {
        refusals.set(name, await answer(command));
      }
    }
    expect(refusals.size).toBeGreaterThan(8);
    expect([...refusals].filter(([, refusal]) => refusal !== 'READONLY')).toEqual([]);
  });

  test('answers no read', async () => {
    // After this wait, every earlier verification of the role has expired.
    await waitFor(
      'no service',
      async () => (await outcomeOf(redis.send('a', ['GET', 'a'], soonMs(500)))) !== 'answered',
    );
    const reads = [...scripts.values()].filter(({ script }) => script.kind === 'read');
    const outcomes = new Map<string, string>();
    for (const { script, keys, args } of reads) {
      outcomes.set(script.name, await outcomeOf(redis.run(script, keys, args, soonMs(500))));
    }
    for (const [name, { key, command }] of commands) {
      if (READ_COMMANDS.has(name)) {
        outcomes.set(name, await outcomeOf(redis.send(key, command, soonMs(500))));
      }
    }
    expect(outcomes.size).toBeGreaterThan(2);
    expect([...outcomes].filter(([, outcome]) => outcome === 'answered')).toEqual([]);
  });
});

async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'answered';
  } catch (error) {
    return error instanceof StoreError ? error.kind : `not a StoreError: ${String(error)}`;
  }
}

/** Returns the blocks between blank lines, except blocks that contain only comments. */
function blocksOf(file: string): string[] {
  const text = readFileSync(join(repositoryRoot, file), 'utf8').trim();
  return text.split(/\n{2,}/).filter((block) => block.replace(/--.*$/gm, '').trim() !== '');
}
