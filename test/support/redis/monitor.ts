/**
 * Reads the MONITOR stream of a server, which contains every executed command, including commands in scripts.
 */
import { connect, type Socket } from 'node:net';
import { waitFor } from '../wait.ts';
import type { RedisNode } from './server.ts';

const LAST_COMMAND = 'the end of what is monitored';

/**
 * Returns the part of the stream that the server sends while `run` runs. Each command is one line of the form
 * `<time> [<database> <client>] "<word>" "<word>" ...`.
 */
export async function monitored(server: RedisNode, run: () => Promise<void>): Promise<string> {
  const socket: Socket = connect(server.port, server.host);
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  try {
    socket.write('MONITOR\r\n');
    await waitFor('the monitor', () => text.startsWith('+OK'));
    await run();
    await server.command('PING', LAST_COMMAND);
    await waitFor('the last command', () => text.includes(LAST_COMMAND));
  } finally {
    socket.destroy();
  }
  return text;
}
