/**
 * Tests that connecting, logging in, commands and subscriptions work without the parts of node-redis that the bundle
 * omits (scripts/node-redis-tables.ts). If an update of node-redis needs these parts, the test fails.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { jest } from '@jest/globals';
import { RedisClient } from '@redis/client';
import { build } from 'esbuild';
import { withoutNodeRedisTables } from '../../scripts/node-redis-tables.ts';
import { type OpenClient, openClient } from '../../src/redis/client.ts';
import { ACL_PASSWORD, ACL_USER } from '../support/redis/acl.ts';
import { redisOptions } from '../support/redis/client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { makeTls, trustOf } from '../support/redis/tls.ts';
import { repositoryRoot } from '../support/repository.ts';
import { waitFor } from '../support/wait.ts';

interface Bundle {
  readonly openClient: typeof openClient;
  readonly RedisClient: typeof RedisClient;
}

const directory = mkdtempSync(join(tmpdir(), 'pannier-bundle-'));

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function options(contents: string, name: string): Parameters<typeof build>[0] {
  return {
    stdin: { contents, resolveDir: repositoryRoot, loader: 'ts' },
    absWorkingDir: repositoryRoot,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    outfile: join(directory, name),
    plugins: [withoutNodeRedisTables],
    logLevel: 'silent',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  };
}

async function bundle(): Promise<Bundle> {
  const exported = "export { openClient } from './src/redis/client.ts'; export { RedisClient } from '@redis/client';";
  await build(options(exported, 'client.mjs'));
  return (await import(pathToFileURL(join(directory, 'client.mjs')).href)) as Bundle;
}

interface Login {
  readonly node: RedisNode;
  readonly username?: string;
  readonly password?: string;
  readonly tlsCa?: Buffer;
}

/** Connects with the bundle, and uses every client feature on which Pannier depends. */
async function useClient({ node, username, password, tlsCa }: Login): Promise<string> {
  const built = await bundle();
  const access = redisOptions(node.url, {
    credentials: async () => ({ username, password }),
    connectTimeoutMs: 10_000,
    ...(tlsCa === undefined ? {} : { tlsFiles: trustOf(tlsCa) }),
  });
  const client = await built.openClient({ host: node.host, port: node.port }, access, { onLost: () => undefined });
  try {
    return await useCommands(client);
  } finally {
    client.destroy();
  }
}

async function useCommands(client: OpenClient): Promise<string> {
  expect(await client.send(['SET', 'key', Buffer.from([0xff, 0x00])])).toBe('OK');
  expect(await client.send(['GET', 'key'])).toEqual(Buffer.from([0xff, 0x00]));
  const messages: string[] = [];
  await client.sSubscribe('channel', (message) => messages.push(message.toString()));
  await client.send(['SPUBLISH', 'channel', 'hello']);
  await waitFor('the message', () => messages.length === 1);
  await client.sUnsubscribe('channel');
  expect(await client.send(['SPUBLISH', 'channel', 'message'])).toBe(0);
  expect(messages).toEqual(['hello']);
  return String(await client.send(['CLIENT', 'INFO']));
}

test('logs in by HELLO as the default user and sets the name of the connection, without the tables', async () => {
  const node = await startRedis();
  const info = await useClient({ node });
  await node.stop();
  expect(info).toMatch(/ name=pannier .* user=default .* resp=3/);
});

test('logs in with a password for the default user', async () => {
  const node = await startRedis({ args: ['--requirepass', 'secret'], password: 'secret' });
  const info = await useClient({ node, password: 'secret' });
  await expect(useClient({ node, password: 'other' })).rejects.toThrow('WRONGPASS');
  await node.stop();
  expect(info).toMatch(/ name=pannier .* user=default .* resp=3/);
});

test('logs in over TLS with a user name and a password', async () => {
  const tls = await makeTls();
  const node = await startRedis({ tls });
  await node.command('ACL', 'SETUSER', ACL_USER, 'on', `>${ACL_PASSWORD}`, '~*', '&*', '+@all');
  const info = await useClient({ node, username: ACL_USER, password: ACL_PASSWORD, tlsCa: tls.authority });
  await node.stop();
  tls.remove();
  expect(info).toMatch(new RegExp(` name=pannier .* user=${ACL_USER} .* resp=3`));
});

test('fails with the name of a left-out table entry that is needed after all', async () => {
  const built = await bundle();
  const node = await startRedis();
  const socket = { host: node.host, port: node.port, reconnectStrategy: false as const };
  const client = new built.RedisClient({ socket, RESP: 2, name: 'pannier', maintNotifications: 'disabled' });
  client.on('error', () => undefined);
  await expect(client.connect()).rejects.toThrow(
    'cannot use CLIENT_SETNAME of node-redis: the bundle is built without its tables; use sendCommand',
  );
  await node.stop();
});

test('fails a build in which a table is not found', async () => {
  const building = build(options("export { ErrorReply } from '@redis/client/dist/lib/errors.js';", 'errors.mjs'));
  await expect(building).rejects.toThrow('cannot omit @redis/client/dist/lib/commands/index.js');
});

test('attaches no commands when a client is opened, which would cost 20 MB until the process ends', async () => {
  const node = await startRedis();
  const factory = jest.spyOn(RedisClient, 'factory');
  const access = redisOptions(node.url, { connectTimeoutMs: 10_000 });
  const client = await openClient({ host: node.host, port: node.port }, access, { onLost: () => undefined });
  client.destroy();
  const calls = factory.mock.calls.length;
  factory.mockRestore();
  await node.stop();
  expect(calls).toBe(0);
});
