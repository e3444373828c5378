/**
 * Tests keys that were written while the server's clock was far ahead. Without a repair, Redis would keep these keys
 * until that distant time.
 */
import { compileLimits } from '../../src/rate-limit/model.ts';
import { frozenStore } from '../support/rate-limit/frozen-clock.ts';
import { openRedis, PATIENT, soonMs } from '../support/redis/client.ts';
import { startRedis } from '../support/redis/server.ts';

const SUBJECT = { scope: 's', policy: 'p', subject: '1' };
const KEY = 'test:rl:{s|p|1}';
const WINDOW_MS = 60_000;
const YEAR_MS = 365 * 86_400_000;

test.each(['fixed_window', 'sliding_window_log', 'sliding_window_counter', 'token_bucket', 'leaky_bucket'] as const)(
  '%s: moves the expiry of the key to the correct time once all limits of the subject were repaired',
  async (algorithm) => {
    const server = await startRedis();
    const redis = await openRedis(server.url, PATIENT);
    const nowMs = Date.now();
    async function take(name: string, atMs: number, cost = 1): Promise<void> {
      const limits = compileLimits([{ name, algorithm, limit: 10, windowMs: WINDOW_MS, burst: 10 }]);
      const { store } = frozenStore(redis, { nowMs: () => atMs });
      await store.take({ key: SUBJECT, limits, cost, maxDelayMs: undefined }, soonMs());
    }
    await take('a', nowMs + YEAR_MS);
    await take('b', nowMs + YEAR_MS);
    expect(await server.command('PTTL', KEY)).toBeGreaterThan(YEAR_MS / 2);
    // A peek writes nothing, so only the next call that consumes units repairs the state.
    await take('a', nowMs, 0);
    await take('b', nowMs, 0);
    expect(await server.command('PTTL', KEY)).toBeGreaterThan(YEAR_MS / 2);
    await take('a', nowMs);
    // The key also contains the state of limit `b`, which no call has repaired, so the key keeps its late expiry.
    expect(await server.command('PTTL', KEY)).toBeGreaterThan(YEAR_MS / 2);
    await take('b', nowMs);
    const leftMs = Number(await server.command('PTTL', KEY));
    expect(leftMs).toBeLessThan(4 * WINDOW_MS);
    expect(leftMs).toBeGreaterThan(0);
    redis.close();
    await server.stop();
  },
);
