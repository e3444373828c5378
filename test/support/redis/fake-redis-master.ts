/**
 * A fake Redis that is a good master for subscriptions, until the test makes it answer otherwise.
 */
import { type FakeRedisPeer, type PeerCommand, startFakeRedisPeer } from './fake-redis-peer.ts';

export interface FakeMaster {
  readonly peer: FakeRedisPeer;
  /** Raw RESP by the name of a command; `undefined` leaves it unanswered. */
  readonly answers: Map<string, string | undefined>;
  /** What CLIENT INFO counts. */
  subscriptions: number;
  /** How often a command came. */
  count(name: string): number;
  /** The last command of a name, to answer it again or late. */
  lastOf(name: string): PeerCommand;
}

export const MASTER = '*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n';
export const REPLICA = '*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:6379\r\n$9\r\nconnected\r\n:0\r\n';

export async function startFakeMaster(): Promise<FakeMaster> {
  const answers = new Map<string, string | undefined>([
    ['ROLE', MASTER],
    ['HMGET', '*3\r\n_\r\n_\r\n_\r\n'],
  ]);
  const peer = await startFakeRedisPeer({
    onCommand: (command) => {
      const [name = '', channel = ''] = command.words;
      if (answers.has(name)) {
        const raw = answers.get(name);
        if (raw !== undefined) {
          command.answer(raw);
        }
      } else if (name === 'CLIENT') {
        command.answer(bulk(`id=1 name=pannier sub=0 psub=0 ssub=${fake.subscriptions} multi=-1`));
      } else if (name === 'SSUBSCRIBE') {
        command.answer(push('ssubscribe', channel, ':1'));
      } else if (name === 'SUNSUBSCRIBE') {
        command.answer(push('sunsubscribe', channel, ':0'));
      }
    },
  });
  const fake: FakeMaster = {
    peer,
    answers,
    subscriptions: 1,
    count: (name) => peer.commands.filter(({ words }) => words[0] === name).length,
    lastOf: (name) => peer.commands.findLast(({ words }) => words[0] === name) as PeerCommand,
  };
  return fake;
}

export function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

/** A push of a sharded channel; `last` is raw RESP. */
export function push(kind: string, channel: string, last: string): string {
  return `>3\r\n${bulk(kind)}${bulk(channel)}${last}\r\n`;
}
