/**
 * Tests the recovery of commands whose node was replaced while they were queued or in flight.
 */

import { redisOptions, soonMs } from '../../test/support/redis/client.ts';
import { type FakeRedisPeer, startFakeRedisPeer } from '../../test/support/redis/fake-redis-peer.ts';
import { waitFor } from '../../test/support/wait.ts';
import { StoreError } from '../lib/store-error.ts';
import { RedisNode } from './node-table.ts';
import type { RedisOptions } from './options.ts';
import { type RecoverableRequest, Recovery, recoverRequest } from './recovery.ts';

const MIB = 1_048_576;

let peers: FakeRedisPeer[];
let before: RedisNode;
let after: RedisNode;
let owner: RedisNode;
let recovery: Recovery;
let redis: RedisOptions;

beforeEach(async () => {
  const answering = await startFakeRedisPeer({ onCommand: (command) => command.answer('$5\r\nafter\r\n') });
  peers = [await startFakeRedisPeer(), answering];
  redis = redisOptions('redis://127.0.0.1');
  [before, after] = peers.map(
    ({ port }) =>
      new RedisNode({ host: '127.0.0.1', port }, { redis, isVouching: () => false, onChange: () => undefined }),
  ) as [RedisNode, RedisNode];
  owner = before;
  recovery = new Recovery({
    redis,
    ownerOf: () => owner,
    nodeAt: () => owner,
    onMoved: () => undefined,
    refreshed: async () => undefined,
  });
  await waitFor('both nodes', () => before.isReady && after.isReady);
});

afterEach(async () => {
  before.close();
  after.close();
  await Promise.all(peers.map((peer) => peer.close()));
});

/** Returns the reply as a string, or the kind of the StoreError. */
async function send(command: readonly string[], isRead: boolean): Promise<string> {
  const connection = owner.connection();
  const request: RecoverableRequest = {
    slot: 0,
    command,
    script: undefined,
    isRead,
    expectedReplyBytes: isRead ? 16 * MIB : undefined,
    deadlineAtMs: soonMs(),
    recovery,
    node: owner,
    connection,
    recover: recoverRequest,
  };
  try {
    return String(await connection.send(command, request.deadlineAtMs, request));
  } catch (error) {
    return error instanceof StoreError ? error.kind : String(error);
  }
}

test('sends a command queued on a retired node to its replacement', async () => {
  const [inFlight, waiting] = [send(['GET', 'a'], true), send(['GET', 'b'], true)];
  await waitFor('the one in flight', () => peers[0]?.commands.length === 1);
  owner = after;
  before.retire();
  expect(await waiting).toBe('after');
  peers[0]?.commands[0]?.answer('$6\r\nbefore\r\n');
  expect(await inFlight).toBe('before');
  expect(peers[1]?.commands.map(({ words }) => words.join(' '))).toEqual(['GET b']);
});

test('repeats reads but not writes on the new node if the retired one closes the connection', async () => {
  const [read, write] = [send(['GET', 'a'], true), send(['SET', 'a', '1'], false)];
  await waitFor('both', () => peers[0]?.commands.length === 2);
  owner = after;
  before.retire();
  peers[0]?.commands[0]?.hangUp();
  expect([await read, await write]).toEqual(['after', 'unknown']);
  expect(peers[1]?.commands.map(({ words }) => words.join(' '))).toEqual(['GET a']);
});

test.each([
  '-NOREPLICAS Not enough good replicas to write.',
  "-NOPERM User app has no permissions to run the 'set' command",
])('reports %s of a retired node to the caller, but not as a lasting refusal', async (refusal) => {
  const write = send(['SET', 'a', '1'], false);
  await waitFor('the write', () => peers[0]?.commands.length === 1);
  owner = after;
  before.retire();
  redis.refusals.forget(before.name);
  peers[0]?.commands[0]?.answer(`${refusal}\r\n`);
  expect(await write).toMatch(/^(unavailable|forbidden)$/);
  expect(redis.refusals.current()).toEqual([]);
});
