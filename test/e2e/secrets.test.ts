/**
 * Tests that no log line, metric or error message contains any of these secrets: session ids, user ids, cache keys and
 * values, subjects, tags, and the Redis password. The sidecar logs at level trace, receives valid and invalid calls,
 * and loses its connection to Redis.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedis } from '../support/redis/server.ts';
import { waitUntilReady } from '../support/sidecar/fleet.ts';
import { connectPannier, type Ended, type PannierClient } from '../support/sidecar/pannier-client.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';

const CANARY = 'canary4711';
const PASSWORD = `${CANARY}-password`;

test('shows no secret in logs, metrics, pages and error texts', async () => {
  const redis = await startRedis({ args: ['--requirepass', PASSWORD], password: PASSWORD });
  const passwordFile = join(mkdtempSync(join(tmpdir(), 'pannier-secret-')), 'password');
  writeFileSync(passwordFile, `${PASSWORD}\n`);
  const sidecar = await startSidecar({
    PANNIER_REDIS_URL: redis.url,
    PANNIER_REDIS_PASSWORD_FILE: passwordFile,
    PANNIER_LOG_LEVEL: 'trace',
  });
  await waitUntilReady(sidecar);
  const client = connectPannier(sidecar.address);
  const texts: string[] = [];
  const sessionIds = await playAll(client, texts);
  expect(sessionIds.length).toBeGreaterThan(0);
  await redis.freeze();
  await playAll(client, texts);
  await redis.thaw();
  await redis.kill();
  await playAll(client, texts);
  const everything = [...texts, sidecar.output(), await adminTexts(sidecar)].join('\n');
  const secrets = [CANARY, ...sessionIds.flatMap((id) => [id, ...id.split('.')])];
  expect(secrets.filter((secret) => everything.includes(secret))).toEqual([]);
  client.close();
  await sidecar.stop();
  expect(sidecar.output()).not.toContain(CANARY);
}, 60_000);

async function adminTexts(sidecar: Sidecar): Promise<string> {
  const paths = ['/metrics', '/readyz', '/livez', '/'];
  const texts = await Promise.all(paths.map(async (path) => await (await fetch(sidecar.adminUrl + path)).text()));
  return texts.join('\n');
}

/**
 * Sends valid and invalid calls that contain secrets. Appends the error messages to `texts`, and returns the ids of the
 * created sessions.
 */
async function playAll(client: PannierClient, texts: string[]): Promise<string[]> {
  const canary = Buffer.from(CANARY);
  const limit = { name: 'a', algorithm: 'ALGORITHM_FIXED_WINDOW', limit: 5, windowMs: 60_000 } as const;
  const created = await client.createSession({
    userId: CANARY,
    data: { [CANARY]: canary },
    labels: { [CANARY]: CANARY },
  });
  const sessionId = created.ok ? (created.response.session?.sessionId ?? '') : `${CANARY}.${CANARY}`;
  const ended: Ended<unknown>[] = [
    created,
    await client.getSession({ sessionId }),
    await client.getSession({ sessionId: `${CANARY}.${'x'.repeat(300)}` }),
    await client.updateSession({ sessionId, set: { [CANARY]: canary }, ifVersion: 99 }),
    await client.updateSession({ sessionId, set: { [CANARY.repeat(40)]: canary } }),
    await client.rotateSession({ sessionId: CANARY, userId: CANARY }),
    await client.deleteSession({ sessionId: CANARY, handle: CANARY }),
    await client.deleteUserSessions({ userId: CANARY, exceptSessionId: CANARY }),
    await client.checkRateLimit({ key: CANARY, limits: [limit] }),
    await client.checkRateLimit({ key: CANARY.repeat(60), limits: [limit] }),
    await client.checkRateLimit({ key: CANARY, limits: [limit, limit] }),
    await client.cacheSet({ key: canary, value: canary, tags: [CANARY] }),
    await client.cacheSet({ key: Buffer.alloc(2_000, CANARY), value: canary }),
    await client.cacheGet({ key: canary }),
    await client.cacheInvalidate({ keys: [canary], tags: [CANARY] }),
    await client.cacheInvalidate({ keys: [Buffer.alloc(0)], tags: [CANARY] }),
  ];
  texts.push(...ended.map((one) => (one.ok ? '' : one.details)));
  return created.ok ? [sessionId] : [];
}
