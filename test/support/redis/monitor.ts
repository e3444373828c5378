/**
 * What a server is asked to do, as its MONITOR stream shows it: every command, those of scripts among them.
 */
import { connect, type Socket } from 'node:net';
import { waitFor } from '../wait.ts';
import type { RedisNode } from './server.ts';

const LAST_COMMAND = 'the end of what is monitored';

/** The text of the stream while `run` runs: one line per command, `<time> [<database> <client>] "<word>" "<word>" ...`. */
export async function monitored(server: RedisNode, run: () => Promise<void>): Promise<string> {
  const socket: Socket = connect(server.port, server.host);
  const chunks: string[] = [];
  let tail = '';
  socket.on('data', (chunk: Buffer) => {
    const text = chunk.toString('latin1');
    chunks.push(text);
    tail = (tail + text).slice(-1_000);
  });
  try {
    socket.write('MONITOR\r\n');
    await waitFor('the monitor', () => tail.startsWith('+OK'));
    await run();
    await server.command('PING', LAST_COMMAND);
    await waitFor('the last command', () => tail.includes(LAST_COMMAND));
  } finally {
    socket.destroy();
  }
  return chunks.join('');
}
