/**
 * Tests the connection to one Sentinel with a simulated peer: when the address of the master is queried, and which
 * votes result from answers and silence.
 */

import { silentLogger } from '../../test/support/lib/silent-logger.ts';
import { redisOptions } from '../../test/support/redis/client.ts';
import { type FakeRedisPeer, type PeerCommand, startFakeRedisPeer } from '../../test/support/redis/fake-redis-peer.ts';
import { waitFor } from '../../test/support/wait.ts';
import { systemClock } from '../lib/clock.ts';
import { RefusalLog } from './refusal-log.ts';
import type { SentinelVote } from './sentinel-election.ts';
import { SentinelLink } from './sentinel-link.ts';

const ADDRESS = '*2\r\n$1\r\na\r\n$1\r\n1\r\n';
const SUBSCRIBED = '>3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n';
const OTHERS = '%1\r\n$19\r\nnum-other-sentinels\r\n$1\r\n4\r\n';

let peer: FakeRedisPeer;
let link: SentinelLink;
let votes: SentinelVote[];
let others: number[];
let lines: string[];
let refusals: RefusalLog;

interface Play {
  /** Answers SENTINEL GET-MASTER-ADDR-BY-NAME. */
  answer(question: PeerCommand): void;
  readonly subscribers: PeerCommand[];
}

async function start(answer: Play['answer'], subscribed = SUBSCRIBED): Promise<Play> {
  const play: Play = { answer, subscribers: [] };
  votes = [];
  others = [];
  lines = [];
  const note = (fields: object, text: string): void => void lines.push(`${text} ${JSON.stringify(fields)}`);
  const log = { ...silentLogger, info: note, warn: note, error: note };
  refusals = new RefusalLog({ role: 'state', clock: systemClock, log });
  peer = await startFakeRedisPeer({
    onCommand: (command) => {
      if (command.words[0] === 'SUBSCRIBE') {
        command.answer(subscribed);
        play.subscribers.push(command);
      } else if (command.words[1] === 'MASTER') {
        command.answer(OTHERS);
      } else {
        play.answer(command);
      }
    },
  });
  const sentinel = { masterName: 'main', credentials: async () => ({ username: undefined, password: undefined }) };
  link = new SentinelLink({
    address: { host: '127.0.0.1', port: peer.port },
    redis: redisOptions(`redis://127.0.0.1:${peer.port}`, { log }),
    sentinel,
    refusals: () => [refusals],
    onVote: (vote) => votes.push(vote),
    onOthers: (count) => others.push(count),
  });
  return play;
}

afterEach(async () => {
  link.close();
  refusals.close();
  await peer.close();
});

function questions(): readonly PeerCommand[] {
  return peer.commands.filter(({ words }) => words[1] === 'GET-MASTER-ADDR-BY-NAME');
}

function announce(subscriber: PeerCommand | undefined, name: string): void {
  const text = `${name} a 1 b 2`;
  subscriber?.answer(`>3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$${text.length}\r\n${text}\r\n`);
}

test('queries the name every second over one connection, and the other Sentinels once', async () => {
  await start((question) => question.answer(ADDRESS));
  const startedAtMs = performance.now();
  await waitFor('four questions', () => questions().length >= 4, 20_000);
  expect(performance.now() - startedAtMs).toBeGreaterThan(3 * 750 - 50);
  expect(questions()[0]?.words).toEqual(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main']);
  expect(votes[0]).toEqual({ kind: 'master', master: { host: 'a', port: 1 } });
  expect([peer.accepted(), others]).toEqual([1, [4]]);
});

test('queries at once after an announced switch of our name, but not of another name', async () => {
  const play = await start((question) => question.answer(ADDRESS));
  await waitFor('the subscription', () => play.subscribers.length === 1 && votes.length > 0);
  const quiet = { count: questions().length, atMs: performance.now() };
  for (let turn = 1; turn <= 10; turn += 1) {
    announce(play.subscribers[0], 'other');
    // The reply arrives after the announcement, so the announcement has been read when the reply is read.
    await link.ask();
  }
  const explained = 10 + Math.ceil((performance.now() - quiet.atMs) / 750);
  expect(questions().length - quiet.count).toBeLessThanOrEqual(explained);
  const before = questions().length;
  const beganAtMs = performance.now();
  for (let turn = 1; turn <= 20; turn += 1) {
    announce(play.subscribers[0], 'main');
    await waitFor('a question', () => questions().length >= before + turn);
  }
  // The link has sent more queries than its regular interval allows.
  const regular = Math.ceil((performance.now() - beganAtMs) / 750);
  expect(questions().length - before).toBeGreaterThan(regular);
});

test('uses a Sentinel that refuses the subscription, and logs one warning', async () => {
  await start((question) => question.answer(ADDRESS), '-NOPERM no permissions to access one of the channels\r\n');
  // If the refusal log had recorded the refusal, it would log the end of the refusal after one second without a
  // repetition.
  await waitFor('four questions', () => questions().length >= 4, 20_000);
  expect(votes.every(({ kind }) => kind === 'master')).toBe(true);
  expect(lines).toEqual([expect.stringContaining('cannot subscribe to the announcements of a Redis Sentinel')]);
  expect(lines[0]).toContain('NOPERM');
  expect(refusals.current()).toEqual([]);
});

test('sends a query that was requested during another one after it', async () => {
  const held: PeerCommand[] = [];
  await start((question) => void held.push(question));
  await waitFor('a question', () => held.length === 1);
  const requests = [link.ask(), link.ask()];
  held[0]?.answer(ADDRESS);
  await waitFor('another one', () => held.length === 2);
  held[1]?.answer('_\r\n');
  await Promise.all(requests);
  expect(votes).toEqual([{ kind: 'master', master: { host: 'a', port: 1 } }, { kind: 'unknown_name' }]);
});

test.each([
  ['nil', '_\r\n', { kind: 'unknown_name' }],
  ['an error', '-NOPERM no permissions\r\n', { kind: 'refused', code: 'NOPERM' }],
  ['a temporary error', '-ERR max number of clients reached\r\n', { kind: 'silent' }],
  ['no address', '*1\r\n$1\r\na\r\n', { kind: 'refused', code: 'ERR' }],
  ['an invalid port', '*2\r\n$1\r\na\r\n$1\r\nx\r\n', { kind: 'refused', code: 'ERR' }],
])('counts %s as a vote for no master', async (_, raw, vote) => {
  await start((question) => question.answer(raw));
  await waitFor('a vote', () => votes.length > 0);
  expect(votes[0]).toEqual(vote);
});

test('becomes silent without an answer, and votes again over a new connection', async () => {
  let isDeaf = false;
  await start((question) => {
    if (!isDeaf) {
      question.answer(ADDRESS);
    }
  });
  await waitFor('a vote', () => votes.length > 0);
  isDeaf = true;
  await waitFor('silence', () => votes.at(-1)?.kind === 'silent');
  isDeaf = false;
  await waitFor('a vote again', () => votes.at(-1)?.kind === 'master');
  expect(peer.accepted()).toBeGreaterThan(1);
});

test('backs off from a Sentinel that closes the connection on every query', async () => {
  const attemptsAtMs: number[] = [];
  await start((question) => {
    attemptsAtMs.push(performance.now());
    question.hangUp();
  });
  const longestGapMs = (): number =>
    Math.max(...attemptsAtMs.map((atMs, index) => (index === 0 ? 0 : atMs - (attemptsAtMs[index - 1] ?? 0))));
  await waitFor('a gap of a second', () => longestGapMs() > 1_000, 30_000);
  // The delays double, starting with 100 ms.
  expect(attemptsAtMs.length).toBeLessThan(15);
  expect(votes.every(({ kind }) => kind === 'silent')).toBe(true);
}, 40_000);
