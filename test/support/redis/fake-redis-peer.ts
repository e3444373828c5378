/**
 * A peer that speaks just enough RESP to be taken for Redis, so that a test decides what is answered, when, and in which pieces.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

/** A command that arrived, and the way to answer it. */
export interface PeerCommand {
  /** Its name in capitals, and its arguments. */
  readonly words: readonly string[];
  /** Raw RESP, e.g. `+OK\r\n`; in pieces if that is what is tested. */
  answer(raw: string): void;
  hangUp(): void;
}

export interface FakeRedisPeer {
  readonly port: number;
  /** Connections that were ever taken. */
  accepted(): number;
  /** Sockets that are open now. */
  open(): number;
  /** Commands so far, without those of logging in. */
  readonly commands: PeerCommand[];
  close(): Promise<void>;
}

export interface FakeRedisPeerOptions {
  /** Answers HELLO; unset: as Redis does. */
  readonly onHello?: (hello: PeerCommand) => void;
  /** Every other command; unset: it lies in `commands` until the test answers it. */
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

/** The first whole command: an array of bulk strings. */
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
