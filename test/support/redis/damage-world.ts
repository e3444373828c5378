/**
 * Runs a sidecar on a Redis in which a test damages values, and checks that the sidecar reports the damage.
 */
import { createClient } from '@redis/client';
import { readMetric, waitUntilReady } from '../sidecar/fleet.ts';
import { connectPannier, type PannierClient } from '../sidecar/pannier-client.ts';
import { type Sidecar, startSidecar } from '../sidecar/sidecar.ts';
import { type RedisNode, startRedis } from './server.ts';

export interface DamageWorld {
  readonly redis: RedisNode;
  readonly sidecar: Sidecar;
  readonly client: PannierClient;
  /** Sends the arguments as raw bytes. */
  send(...args: (string | Buffer)[]): Promise<unknown>;
  /** Replaces the value with a string that is not a valid value. */
  setString(key: string): Promise<void>;
  /** Removes all keys except the version keys of the formats. */
  empty(): Promise<void>;
  /** Returns keys that match a pattern without the prefix, e.g. `rl:*`. */
  keysOf(pattern: string): Promise<string[]>;
  onlyKey(pattern: string): Promise<string>;
  /** Runs `call` and expects the damage to be counted and logged once. */
  expectReported<Value>(role: string, code: string, call: () => Promise<Value>): Promise<Value>;
  /** Expects few log lines, none of which contains a key, a value or a subject. */
  expectDiscreetLog(): void;
  close(): Promise<void>;
}

export async function startDamageWorld(): Promise<DamageWorld> {
  const redis = await startRedis();
  const raw = createClient({ url: redis.url });
  await raw.connect();
  const sidecar = await startSidecar({ PANNIER_REDIS_URL: redis.url, PANNIER_REDIS_COMMAND_TIMEOUT_MS: '5000' });
  const client = connectPannier(sidecar.address);
  await waitUntilReady(sidecar);

  async function keysOf(pattern: string): Promise<string[]> {
    return ((await redis.command('KEYS', `pannier:${pattern}`)) as unknown[]).map(String);
  }

  async function removed(role: string, code: string): Promise<number> {
    const name = 'pannier_redis_damaged_values_total';
    // The metric has no series with this label before the first damaged value.
    return await readMetric(sidecar, name, `role="${role}",code="${code}"`).catch(() => 0);
  }

  return {
    redis,
    sidecar,
    client,
    send: (...args) => raw.sendCommand(args),
    setString: async (key) => {
      await redis.command('DEL', key);
      await redis.command('SET', key, 'garbage');
    },
    empty: async () => {
      for (const key of await keysOf('*')) {
        if (!key.startsWith('pannier:format')) {
          await redis.command('DEL', key);
        }
      }
    },
    keysOf,
    onlyKey: async (pattern) => {
      const [key = '', ...others] = await keysOf(pattern);
      expect([key !== '', others]).toEqual([true, []]);
      return key;
    },
    expectReported: async (role, code, call) => {
      const before = await removed(role, code);
      const value = await call();
      expect(await removed(role, code)).toBe(before + 1);
      const lines = sidecar.logLines().filter((line) => line.code === code && line.role === role);
      expect(lines[0]).toMatchObject({ level: 'error', msg: 'damaged value in Redis' });
      return value;
    },
    expectDiscreetLog: () => {
      const lines = sidecar.logLines().filter((line) => line.level === 'error');
      expect(lines.length).toBeGreaterThan(0);
      expect(lines.length).toBeLessThan(20);
      expect(new Set(lines.map((line) => line.msg))).toEqual(new Set(['damaged value in Redis']));
      expect(sidecar.output()).not.toMatch(/garbage|subject|pannier:/);
    },
    close: async () => {
      client.close();
      raw.destroy();
      await sidecar.stop();
      await redis.stop();
    },
  };
}
