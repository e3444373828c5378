/**
 * Tests client certificates, and the replacement of TLS files while a sidecar runs. The next connection uses the new CA
 * and the new client certificate. An invalid file has no effect on connections, and the sidecar logs one line about
 * this file.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { makeTls, type TestTls } from '../support/redis/tls.ts';
import { waitUntilReady } from '../support/sidecar/fleet.ts';
import { connectPannier, type PannierClient } from '../support/sidecar/pannier-client.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';

const limits = [{ name: 'a', algorithm: 'ALGORITHM_TOKEN_BUCKET', limit: 1_000_000, windowMs: 60_000 }] as const;
const STORE = 1;

let tls: TestTls;
let redis: RedisNode;
let directory: string;
let sidecar: Sidecar | undefined;
let client: PannierClient | undefined;

beforeEach(async () => {
  tls = await makeTls({ authenticatesClients: true });
  redis = await startRedis({ tls });
  directory = mkdtempSync(join(tmpdir(), 'pannier-tls-files-'));
  write('ca.crt', tls.authority);
  const { cert, key } = await tls.issue(['client']);
  write('tls.crt', cert);
  write('tls.key', key);
});

afterEach(async () => {
  client?.close();
  await sidecar?.stop();
  await redis.stop();
  tls.remove();
  rmSync(directory, { recursive: true });
});

function path(name: string): string {
  return join(directory, name);
}

function write(name: string, content: string | Buffer): void {
  writeFileSync(path(name), content);
}

async function start(settings: Record<string, string> = {}): Promise<Sidecar> {
  sidecar = await startSidecar({
    PANNIER_REDIS_URL: redis.url,
    PANNIER_REDIS_COMMAND_TIMEOUT_MS: '2000',
    PANNIER_REDIS_CONNECT_TIMEOUT_MS: '5000',
    PANNIER_REDIS_TLS_CA_FILE: path('ca.crt'),
    PANNIER_REDIS_TLS_CERT_FILE: path('tls.crt'),
    PANNIER_REDIS_TLS_KEY_FILE: path('tls.key'),
    ...settings,
  });
  client = connectPannier(sidecar.address);
  return sidecar;
}

async function isServedByRedis(): Promise<boolean> {
  const ended = await client?.checkRateLimit({ key: 'a', limits: [...limits] });
  return ended?.ok === true && ended.response.decidedBy === STORE;
}

/** Makes the server close all connections of the sidecar, and waits for new connections. */
async function reconnect(): Promise<void> {
  const connections = async (): Promise<string[]> => {
    const list = String(await redis.command('CLIENT', 'LIST')).split('\n');
    return list.filter((line) => line.includes('name=pannier')).map((line) => line.split(' ')[0] ?? '');
  };
  const before = await connections();
  await redis.command('CLIENT', 'KILL', 'TYPE', 'normal');
  await waitFor('new connections', async () => {
    const now = await connections();
    return now.length > 0 && !now.some((id) => before.includes(id));
  });
}

function errorsOf({ logLines }: Sidecar): string[] {
  return logLines()
    .filter((line) => String(line.msg).includes('keeping the previous one'))
    .map((line) => `${line.msg} ${line.setting}`);
}

test('connects to a server that requires client certificates', async () => {
  await start();
  await waitFor('service', isServedByRedis);
});

test('names the missing settings in the log if the server requires a client certificate', async () => {
  const { logLines } = await start({ PANNIER_REDIS_TLS_CERT_FILE: '', PANNIER_REDIS_TLS_KEY_FILE: '' });
  await waitFor('the hint', () => logLines().some((line) => String(line.hint).includes('PANNIER_REDIS_TLS_CERT_FILE')));
  expect(await isServedByRedis()).toBe(false);
});

test('refuses to start with only one of both files, and names the other setting', async () => {
  const starting = start({ PANNIER_REDIS_TLS_KEY_FILE: '' });
  await expect(starting).rejects.toThrow('PANNIER_REDIS_TLS_KEY_FILE is not set; set both or neither');
});

test('uses a new CA and a new client certificate for the next connection', async () => {
  await start();
  await waitFor('service', isServedByRedis);
  const next = await makeTls();
  const server = await next.issue();
  await redis.command(
    ...['CONFIG', 'SET', 'tls-cert-file', tls.write('next.pem', server.cert)],
    ...['tls-key-file', tls.write('next-key.pem', server.key)],
    ...['tls-ca-cert-file', tls.write('next-authority.pem', next.authority)],
  );
  await redis.command('CLIENT', 'KILL', 'TYPE', 'normal');
  await waitFor('the new server certificate to be rejected', async () => !(await isServedByRedis()));
  const { cert, key } = await next.issue(['client']);
  write('tls.crt', cert);
  write('tls.key', key);
  write('ca.crt', next.authority);
  await waitFor('service', isServedByRedis);
  next.remove();
});

test('keeps the previous files while new ones are invalid, and logs each once', async () => {
  const running = await start();
  await waitUntilReady(running);
  await waitFor('service', isServedByRedis);
  write('ca.crt', 'no certificate');
  const next = await tls.issue(['client']);
  write('tls.crt', next.cert);
  for (let round = 0; round < 3; round += 1) {
    await reconnect();
    await waitFor('service', isServedByRedis);
  }
  expect(errorsOf(running).sort()).toEqual([
    'cannot use the CA for Redis, keeping the previous one PANNIER_REDIS_TLS_CA_FILE',
    'cannot use the client certificate for Redis, keeping the previous one PANNIER_REDIS_TLS_KEY_FILE',
  ]);
  write('tls.key', next.key);
  write('ca.crt', tls.authority);
  await reconnect();
  await waitFor('service', isServedByRedis);
  write('ca.crt', '');
  await reconnect();
  await waitFor('the next error', () => errorsOf(running).length === 3);
  await waitFor('service', isServedByRedis);
});
