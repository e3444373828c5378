/**
 * Tests a sidecar on servers that refuse its commands. For each error code, the sidecar logs one error line when the
 * refusal begins and one line when it ends. During the refusal, /readyz contains a line about the refusal, and the
 * metric for the error code is 1. Limits fail open by default, so an application that uses only limits receives no
 * error that would reveal the refusal.
 */
import { execFileSync } from 'node:child_process';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { makeTls } from '../support/redis/tls.ts';
import { readMetric } from '../support/sidecar/fleet.ts';
import { connectPannier, type PannierClient } from '../support/sidecar/pannier-client.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';

const LIMIT = { name: 'a', algorithm: 'ALGORITHM_TOKEN_BUCKET', limit: 1_000_000, windowMs: 60_000 } as const;
const DECIDED_BY: Readonly<Record<number, string>> = { 1: 'store', 4: 'failure mode' };
/** Timeout for servers that a test keeps busy. */
const PATIENCE_MS = 20_000;

let redis: RedisNode;
let sidecar: Sidecar;
let client: PannierClient;

afterEach(async () => {
  client?.close();
  await sidecar?.stop();
  await redis?.stop();
});

async function start(args: readonly string[] = [], settings: Record<string, string> = {}): Promise<void> {
  redis = await startRedis({ args });
  await startOn(redis.url, settings);
  await waitFor('Redis', async () => (await check()) === 'store', PATIENCE_MS);
}

async function startOn(url: string, settings: Record<string, string> = {}): Promise<void> {
  sidecar = await startSidecar({ PANNIER_REDIS_URL: url, ...settings });
  client = connectPannier(sidecar.address);
}

async function check(key = 'subject'): Promise<string> {
  const answer = await client.checkRateLimit({ key, limits: [LIMIT] });
  return answer.ok ? (DECIDED_BY[Number(answer.response.decidedBy)] ?? 'unspecified') : `code ${answer.code}`;
}

function linesOf(level: string, code: string): Record<string, unknown>[] {
  return sidecar.logLines().filter((line) => line.level === level && line.code === code && line.role === 'state');
}

async function readyz(): Promise<{ status: number; text: string }> {
  const response = await fetch(`${sidecar.adminUrl}/readyz`);
  return { status: response.status, text: await response.text() };
}

/**
 * Makes `calls` calls that fail with this error code, and checks that the log, /readyz and the metric report the code.
 */
async function expectRefused(code: string, calls = 20): Promise<void> {
  await waitFor(`a call that meets ${code}`, async () => {
    await check();
    return linesOf('error', code).length > 0;
  });
  for (let done = 0; done < calls; done += 100) {
    await Promise.all(Array.from({ length: Math.min(100, calls - done) }, () => check()));
  }
  expect(await check()).toBe('failure mode');
  expect(linesOf('error', code)).toHaveLength(1);
  const page = await readyz();
  expect(page.status).toBe(200);
  expect(page.text).toMatch(new RegExp(`^redis state: refused since .*: ${code} \\(`, 'm'));
  expect(await readMetric(sidecar, 'pannier_redis_refusals', `role="state",code="${code}"`)).toBe(1);
}

async function expectOver(code: string): Promise<void> {
  await waitFor(`the end of ${code}`, async () => {
    await check();
    return linesOf('info', code).length > 0;
  });
  await check();
  expect(linesOf('error', code)).toHaveLength(1);
  expect(linesOf('info', code)).toHaveLength(1);
  expect((await readyz()).text).not.toMatch(new RegExp(`^redis state: .*${code}`, 'm'));
  expect(await readMetric(sidecar, 'pannier_redis_refusals', `role="state",code="${code}"`)).toBe(0);
  expect(sidecar.output()).not.toContain('subject');
}

test('writes one line with the text of Redis for 1,000 calls to a server that cannot save', async () => {
  await start(['--enable-protected-configs', 'local']);
  await redis.command('CONFIG', 'SET', 'save', '3600 1');
  // No user can create files in /proc.
  await redis.command('CONFIG', 'SET', 'dir', '/proc');
  await redis.command('BGSAVE');
  await waitFor('a failed save', async () =>
    String(await redis.command('INFO', 'persistence')).includes('rdb_last_bgsave_status:err'),
  );
  await expectRefused('MISCONF', 1_000);
  expect(linesOf('error', 'MISCONF')).toMatchObject([
    {
      msg: 'Redis refuses commands',
      node: `127.0.0.1:${redis.port}`,
      reply: expect.stringMatching(/^MISCONF Redis is configured to save RDB snapshots/),
      detail: 'Redis refuses writes because it cannot save to disk',
    },
  ]);
  await redis.command('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no');
  await expectOver('MISCONF');
}, 60_000);

test.each([
  ['OOM', ['maxmemory', '1'], ['maxmemory', '0']],
  ['NOREPLICAS', ['min-replicas-to-write', '1'], ['min-replicas-to-write', '0']],
])(
  '%s',
  async (code, refuse, allow) => {
    await start(['--maxmemory-policy', 'noeviction']);
    await redis.command('CONFIG', 'SET', ...refuse);
    await expectRefused(code);
    await redis.command('CONFIG', 'SET', ...allow);
    await expectOver(code);
  },
  60_000,
);

test('reports a server that is busy with a script of another program', async () => {
  await start(['--busy-reply-threshold', '20'], { PANNIER_REDIS_COMMAND_TIMEOUT_MS: '5000' });
  const endless = redis.command('EVAL', 'while true do end', '0').catch(() => undefined);
  const other = connectAdmin(redis);
  await expectRefused('BUSY');
  await other('SCRIPT', 'KILL');
  await endless;
  await expectOver('BUSY');
}, 60_000);

test('reports a server that is loading its data', async () => {
  await start(['--enable-debug-command', 'local', '--loading-process-events-interval-bytes', '1024']);
  // Loading takes 5 ms for each of 2,000 keys.
  await redis.command('CONFIG', 'SET', 'key-load-delay', '5000');
  await redis.command('DEBUG', 'POPULATE', '2000', 'filler', '1024');
  const reload = redis.command('DEBUG', 'RELOAD');
  await expectRefused('LOADING');
  await reload;
  await expectOver('LOADING');
}, 60_000);

/**
 * Returns a function that sends commands over an additional connection, because the administrator's connection waits
 * for its reply.
 */
function connectAdmin(node: RedisNode): RedisNode['command'] {
  const args = ['-p', String(node.port)];
  return async (...words) => execFileSync('redis-cli', [...args, ...words]).toString();
}

describe('a user that lacks a permission', () => {
  const ALL = ['reset', 'on', '>secret', '~*', '&*', '+@all'];

  async function startAs(rules: readonly string[]): Promise<void> {
    redis = await startRedis();
    await redis.command('ACL', 'SETUSER', 'app', ...ALL, ...rules);
    await startOn(redis.url.replace('redis://', 'redis://app:secret@'));
  }

  test.each([
    ['no key pattern', ['resetkeys', '~other:*'], 'NOPERM'],
    ['no EVALSHA and EVAL', ['-evalsha', '-eval'], 'NOPERM'],
    ['no TIME', ['-time'], 'NOPERM'],
    ['no HSET', ['-hset'], 'NOPERM'],
    ['no SCRIPT LOAD', ['-script|load'], 'NOPERM'],
  ])('%s', async (_what, rules, code) => {
    await startAs(rules);
    await expectRefused(code);
    await redis.command('ACL', 'SETUSER', 'app', ...ALL);
    await expectOver(code);
    expect(sidecar.output()).not.toContain('secret');
  });

  test('writes one line for limits that are refused while sessions work', async () => {
    await startAs(['-hset']);
    await expectRefused('NOPERM', 0);
    // The test waits for longer than the time after which the sidecar treats a refusal without further errors as ended.
    const untilMs = performance.now() + 2_000;
    const areSessionsFound: boolean[] = [];
    await waitFor('two seconds of calls', async () => {
      await check();
      areSessionsFound.push(
        (await client.getSession({ sessionId: 'c2VsZWN0b3ItYWFhYWFhYQ.c2VjcmV0LWJiYmJiYmJiYg' })).ok,
      );
      await client.listUserSessions({ userId: 'ann' });
      return performance.now() >= untilMs;
    });
    expect(new Set(areSessionsFound)).toEqual(new Set([false]));
    expect(linesOf('error', 'NOPERM')).toHaveLength(1);
    expect(linesOf('info', 'NOPERM')).toHaveLength(0);
  });
});

describe('a server that cannot be used', () => {
  test('shows the text of Redis for maxclients in the log, in /readyz and to callers', async () => {
    redis = await startRedis();
    // Allows only the connection of the administrator.
    await redis.command('CONFIG', 'SET', 'maxclients', '1');
    await startOn(redis.url);
    await waitFor('the refusal', () => linesOf('error', 'ERR').length > 0);
    expect(linesOf('error', 'ERR')).toMatchObject([
      { msg: 'Redis refuses connections', reply: 'ERR max number of clients reached' },
    ]);
    await waitFor('readiness without Redis', async () => (await readyz()).status === 200);
    const { text } = await readyz();
    expect(text).toContain(`redis state 127.0.0.1:${redis.port}: ERR max number of clients reached`);
    expect(text).not.toContain('no node has replied yet');
    const answer = await client.getSession({ sessionId: 'c2VsZWN0b3ItYWFhYWFhYQ.c2VjcmV0LWJiYmJiYmJiYg' });
    expect(answer).toMatchObject({ ok: false, details: expect.stringContaining('ERR max number of clients reached') });
    await redis.command('CONFIG', 'SET', 'maxclients', '100');
    await waitFor('service', async () => (await check()) === 'store');
    await expectOver('ERR');
  });

  test('shows WRONGPASS in /readyz for a wrong password', async () => {
    redis = await startRedis();
    await startOn(redis.url.replace('redis://', 'redis://app:hunter2@'));
    const page = await waitFor('the reason', async () => {
      const { text } = await readyz();
      return text.includes('WRONGPASS') ? text : undefined;
    });
    expect(page).toContain(`redis state 127.0.0.1:${redis.port}: WRONGPASS invalid username-password pair`);
    expect(page).not.toContain('no node has replied yet');
    expect(linesOf('error', 'WRONGPASS')).toHaveLength(1);
    expect(sidecar.output() + page).not.toContain('hunter2');
  });

  test('shows in /readyz that the only seed is a replica', async () => {
    redis = await startRedis();
    await redis.command('REPLICAOF', '127.0.0.1', '1');
    await startOn(redis.url);
    const page = await waitFor('the reason', async () => {
      const { text } = await readyz();
      return text.includes('is a replica') ? text : undefined;
    });
    expect(page).not.toContain('no node has replied yet');
  });

  test('suggests checking for TLS if rediss:// leads to a port without it', async () => {
    redis = await startRedis();
    await startOn(redis.url.replace('redis://', 'rediss://'));
    const page = await waitFor('the reason', async () => {
      const { text } = await readyz();
      return text.includes('check that the port serves TLS') ? text : undefined;
    });
    expect(page).toMatch(
      /: the TLS handshake got no answer in time \(\d+ ms\); check that the port serves TLS|ERR_SSL_/,
    );
  });

  test('suggests checking for TLS if redis:// leads to a port with it', async () => {
    const tls = await makeTls();
    redis = await startRedis({ tls });
    await startOn(redis.url.replace('rediss://', 'redis://'));
    await waitFor('the reason', async () => (await readyz()).text.includes('use rediss:// if the port serves TLS'));
    tls.remove();
  });
});
