/**
 * Simulates a Redis server that supports the parts of RESP that node-redis needs. A test controls the content, the time
 * and the chunks of each answer.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

/** Received command and the function that answers it. */
export interface PeerCommand {
  /** Name of the command in capitals, followed by its arguments. */
  readonly words: readonly string[];
  /** Sends a raw RESP reply, e.g. `+OK\r\n`, or a part of a reply. */
  answer(raw: string): void;
  hangUp(): void;
}

export interface FakeRedisPeer {
  readonly port: number;
  /** Returns the number of accepted connections. */
  accepted(): number;
  /** Returns the number of open sockets. */
  open(): number;
  /** Received commands, without the commands of the login. */
  readonly commands: PeerCommand[];
  close(): Promise<void>;
}

export interface FakeRedisPeerOptions {
  /** Answers HELLO. If unset, the peer answers as Redis does. */
  readonly onHello?: (hello: PeerCommand) => void;
  /**
   * Answers every command that is not part of the login. If unset, the test answers the commands in `commands` itself.
   */
  readonly onCommand?: (command: PeerCommand) => void;
}

export async function startFakeRedisPeer(options: FakeRedisPeerOptions = {}): Promise<FakeRedisPeer> {
  const sockets = new Set<Socket>();
  const commands: PeerCommand[] = [];
  let accepted = 0;

  function take(command: PeerCommand): void {
    const [name = '', second = ''] = command.words;
    if (name === 'HELLO') {
      (options.onHello ?? ((hello) => hello.answer('%0\r\n')))(command);
    } else if (name === 'CLIENT' && second.toUpperCase() !== 'INFO') {
      command.answer('+OK\r\n');
    } else {
      commands.push(command);
      options.onCommand?.(command);
    }
  }

  const server = createServer((socket) => {
    accepted += 1;
    sockets.add(socket);
    let unread = '';
    socket.setEncoding('latin1');
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (text) => {
      unread += String(text);
      for (let parsed = parse(unread); parsed !== undefined; parsed = parse(unread)) {
        unread = unread.slice(parsed.length);
        take({
          words: [(parsed.words[0] ?? '').toUpperCase(), ...parsed.words.slice(1)],
          answer: (raw) => void socket.write(raw, 'latin1'),
          hangUp: () => void socket.destroy(),
        });
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    accepted: () => accepted,
    open: () => sockets.size,
    commands,
    close: async () => {
      for (const socket of sockets) {
        socket.destroy();
      }
      server.close();
      await once(server, 'close');
    },
  };
}

/** Returns the first complete command, an array of bulk strings. */
function parse(text: string): { words: string[]; length: number } | undefined {
  const head = /^\*(\d+)\r\n/.exec(text);
  if (head === null) {
    return undefined;
  }
  let at = head[0].length;
  const words: string[] = [];
  for (let index = 0; index < Number(head[1]); index += 1) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at));
    if (size === null) {
      return undefined;
    }
    at += size[0].length;
    const end = at + Number(size[1]);
    if (text.length < end + 2) {
      return undefined;
    }
    words.push(text.slice(at, end));
    at = end + 2;
  }
  return { words, length: at };
}
