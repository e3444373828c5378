/**
 * Tests that the client writes the same bytes in the same order with fewer socket writes, and that no bytes are lost if
 * node-redis stops writing.
 */
import { Socket } from 'node:net';
import { jest } from '@jest/globals';
import fc from 'fast-check';
import { redisOptions } from '../../test/support/redis/client.ts';
import { startFakeRedisPeer } from '../../test/support/redis/fake-redis-peer.ts';
import { waitFor } from '../../test/support/wait.ts';
import { openClient } from './client.ts';
import { type CommandPieces, joinCommands } from './joined-writes.ts';

function bytesOf(writes: Iterable<CommandPieces>): Buffer {
  return Buffer.concat([...writes].flat().map((piece) => Buffer.from(piece as string)));
}

test('joins text commands into one write', () => {
  expect([...joinCommands([['a'], ['b'], ['ü']])]).toEqual([['abü']]);
});

test('passes a Buffer unchanged, after the preceding text and together with its whole command', () => {
  const value = Buffer.from('value');
  const writes = [...joinCommands([['a'], ['b'], ['c', value, 'd'], ['e'], [value]])];
  expect(writes).toEqual([
    ['ab', 'c', value, 'd'],
    ['e', value],
  ]);
  expect(writes[0]?.[2]).toBe(value);
});

test('yields long text in parts, so that the writer notices a full socket', () => {
  const commands = Array.from({ length: 100 }, () => ['x'.repeat(1_000)]);
  const writes = [...joinCommands(commands)];
  expect(writes.map(([text]) => text?.length)).toEqual([17_000, 17_000, 17_000, 17_000, 17_000, 15_000]);
});

test('keeps bytes and order of random commands, and a stopped writer has received every consumed command', () => {
  const piece = fc.oneof(
    fc.string({ maxLength: 10 }),
    fc.constant('y'.repeat(9_000)),
    fc.uint8Array({ maxLength: 10 }).map((bytes) => Buffer.from(bytes)),
  );
  const commands = fc.array(fc.array(piece, { minLength: 1, maxLength: 4 }), { maxLength: 20 });
  fc.assert(
    fc.property(commands, fc.nat(25), (all, stopAfter) => {
      expect(bytesOf(joinCommands(all)).equals(bytesOf(all))).toBe(true);
      const taken: CommandPieces[] = [];
      const written: CommandPieces[] = [];
      for (const pieces of joinCommands(recordTaken(all, taken))) {
        written.push(pieces);
        if (written.length > stopAfter) {
          break;
        }
      }
      expect(bytesOf(written).equals(bytesOf(taken))).toBe(true);
    }),
  );
});

function* recordTaken(commands: readonly CommandPieces[], taken: CommandPieces[]): Generator<CommandPieces> {
  for (const pieces of commands) {
    taken.push(pieces);
    yield pieces;
  }
}

test('passes the commands of one turn to the socket at once, because node-redis takes them from commandsToWrite', async () => {
  const peer = await startFakeRedisPeer();
  const access = redisOptions(`redis://127.0.0.1:${peer.port}`, { connectTimeoutMs: 10_000 });
  const client = await openClient({ host: '127.0.0.1', port: peer.port }, access, { onLost: () => undefined });
  const write = jest.spyOn(Socket.prototype, 'write');
  const replies = Promise.allSettled(['a', 'b', 'c'].map((key) => client.send(['GET', key])));
  await waitFor('the commands', () => peer.commands.length === 3);
  const texts = write.mock.calls.map(([chunk]) => String(chunk)).filter((text) => text.includes('GET'));
  write.mockRestore();
  client.destroy();
  await replies;
  await peer.close();
  expect(texts).toEqual([['a', 'b', 'c'].map((key) => `*2\r\n$3\r\nGET\r\n$1\r\n${key}\r\n`).join('')]);
});
