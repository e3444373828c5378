/**
 * Simulates a Redis master with working subscriptions. A test can change its answers.
 */
import { type FakeRedisPeer, type PeerCommand, startFakeRedisPeer } from './fake-redis-peer.ts';

export interface FakeMaster {
  readonly peer: FakeRedisPeer;
  /** Raw RESP answers by command name; `undefined` leaves the command unanswered. */
  readonly answers: Map<string, string | undefined>;
  /** Number of subscriptions that CLIENT INFO reports. */
  subscriptions: number;
  /** Returns how often a command was received. */
  count(name: string): number;
  /** Returns the last command with this name, so that a test can answer the command again or late. */
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

/** Returns a push message of a sharded channel; `last` is raw RESP. */
export function push(kind: string, channel: string, last: string): string {
  return `>3\r\n${bulk(kind)}${bulk(channel)}${last}\r\n`;
}
