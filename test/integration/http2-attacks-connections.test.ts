/**
 * Tests attacks on the HTTP/2 transport by connections: peers that stop in the middle of their input, freeze or use
 * another protocol, and thousands of idle peers. The server closes these connections or spends almost no resources on
 * them. Calls of another client continue, within the bounds in attack-bounds.ts.
 */
import { readFileSync } from 'node:fs';
import { TRANSPORT_LIMITS } from '../../src/grpc/transport/transport.ts';
import { answerOf } from '../support/http2/answers.ts';
import { dismiss, expectUnharmed } from '../support/http2/attack-bounds.ts';
import { AttackRange, attackPath } from '../support/http2/attack-range.ts';
import {
  data,
  headers,
  literal,
  message,
  PREFACE,
  requestBlock,
  settings,
  unaryCall,
} from '../support/http2/frames.ts';
import { Http2Peer } from '../support/http2/peer.ts';
import { type BoundProcess, spawnBound } from '../support/sidecar/bound-process.ts';
import { waitFor } from '../support/wait.ts';

const SHORT_MS = 2_000;
const TARGET_IDLE_CONNECTIONS = 10_000;
/** Number of open files that a process needs besides its sockets. */
const OTHER_FILES = 200;
/**
 * Maximum memory of an idle connection: its socket, its table of streams, its HPACK table and the objects that Node.js
 * allocates for the connection.
 */
const MAX_IDLE_BYTES = 16 * 1024;
const BACKLOG = 200;

let range: AttackRange;
let peers: Http2Peer[];

beforeEach(() => {
  peers = [];
});

afterEach(async () => {
  dismiss(peers);
  await range.close();
});

async function openPeer(options: Parameters<typeof Http2Peer.open>[1] = {}): Promise<Http2Peer> {
  const peer = await Http2Peer.open(range.port, options);
  peers.push(peer);
  return peer;
}

async function openRange(): Promise<void> {
  range = await AttackRange.open({
    limits: {
      maxHandshakeMs: SHORT_MS,
      maxRequestMs: SHORT_MS,
      maxStalledWriteMs: SHORT_MS,
      keepaliveIntervalMs: SHORT_MS,
      keepaliveTimeoutMs: SHORT_MS,
    },
  });
}

describe('peers that stop halfway', () => {
  const REQUEST = requestBlock(attackPath('Echo'));
  const STARTED = Buffer.concat([PREFACE, settings()]);
  const HALVES = [
    { name: 'before the first byte', bytes: Buffer.alloc(0) },
    { name: 'in the method of HTTP/1.x', bytes: Buffer.from('GE') },
    { name: 'after a request of HTTP/1.x', bytes: Buffer.from('GET / HTTP/1.1\r\n\r\n') },
    { name: 'in the preface', bytes: PREFACE.subarray(0, 12) },
    { name: 'after the preface', bytes: PREFACE },
    { name: 'in the header of the first frame', bytes: STARTED.subarray(0, PREFACE.length + 5) },
    { name: 'after SETTINGS', bytes: STARTED },
    { name: 'in the header of a frame', bytes: Buffer.concat([STARTED, headers(1, REQUEST).subarray(0, 5)]) },
    { name: 'in a frame', bytes: Buffer.concat([STARTED, headers(1, REQUEST).subarray(0, 20)]) },
    { name: 'in a header block', bytes: Buffer.concat([STARTED, headers(1, REQUEST, 0)]) },
    { name: 'after a header block', bytes: Buffer.concat([STARTED, headers(1, REQUEST)]) },
    {
      name: 'in a message',
      bytes: Buffer.concat([STARTED, headers(1, REQUEST), data(1, message(Buffer.alloc(10), 1_000))]),
    },
  ];
  const OF_EACH = 20;

  test('closes their connections, wherever they stop', async () => {
    await openRange();
    const outcome = await range.under(async () => {
      for (const { bytes } of HALVES) {
        const opened = await Promise.all(Array.from({ length: OF_EACH }, () => openPeer({ withPreface: false })));
        await Promise.all(opened.map((peer) => peer.send(bytes)));
      }
      const held = await range.report();
      await waitFor(
        'all connections to be closed',
        () => peers.every((peer) => peer.isClosed || peer.hasEnded),
        20_000,
      );
      return held;
    });
    const connections = HALVES.length * OF_EACH;
    expect(outcome.result.liveBytes - outcome.before.liveBytes).toBeLessThan(connections * 2 * MAX_IDLE_BYTES);
    expectUnharmed(range, outcome, {
      maxBufferedRequestBytes: 0,
      effort: { frames: connections, bytes: 0 },
      maxCallsPerFrame: 200,
    });
    await waitFor('the honest client to be the only one', async () => (await range.report('glance')).connections <= 1);
  });

  test('frees all memory of peers that disconnect at any point', async () => {
    await openRange();
    const before = await range.report();
    for (const { bytes } of HALVES) {
      const opened = await Promise.all(Array.from({ length: OF_EACH }, () => openPeer({ withPreface: false })));
      await Promise.all(opened.map((peer) => peer.send(bytes)));
      dismiss(opened.slice(0, OF_EACH / 2));
      for (const peer of opened.slice(OF_EACH / 2)) {
        peer.socket.end();
      }
    }
    await waitFor('the honest client to be the only one', async () => (await range.report('glance')).connections <= 1);
    const after = await range.report();
    expect(after.liveBytes - before.liveBytes).toBeLessThan(2 * 1024 * 1024);
    expect(after.uncaught).toBe(0);
  });
});

describe('peers that are frozen', () => {
  /**
   * Program that connects and sends the bytes that its second argument contains in hexadecimal form. The test freezes
   * the program before it reads a response.
   */
  const CLIENT = `
    const socket = require('node:net').connect(Number(process.argv[1]), '127.0.0.1');
    socket.write(Buffer.from(process.argv[2], 'hex'), () => console.log('sent'));
    socket.on('data', () => {});
    socket.on('close', () => process.exit(0));
  `;

  async function frozenClient(bytes: Buffer): Promise<BoundProcess> {
    const client = await spawnBound(process.execPath, ['-e', CLIENT, String(range.port), bytes.toString('hex')]);
    let output = '';
    client.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    await waitFor('the bytes to be sent', () => output.includes('sent'));
    client.signal('SIGSTOP');
    return client;
  }

  test.each([
    { name: 'that are silent', calls: 0 },
    { name: 'that do not read their responses', calls: 40 },
  ])('closes the connections of peers $name', async ({ calls }) => {
    await openRange();
    const open = Buffer.concat([PREFACE, settings([[4, 0x7fff_ffff]])]);
    const asked = Array.from({ length: calls }, (_, index) => unaryCall(2 * index + 1, attackPath('Big')));
    const outcome = await range.under(async () => {
      const client = await frozenClient(Buffer.concat([open, ...asked]));
      await waitFor('the connection to be open', async () => (await range.report('glance')).connections === 2);
      await waitFor(
        'the connection to be closed',
        async () => (await range.report('glance')).connections === 1,
        20_000,
      );
      client.signal('SIGKILL');
      await client.ended;
    });
    expectUnharmed(range, outcome, {
      maxBufferedRequestBytes: 0,
      effort: { frames: 100, bytes: 0 },
      maxCallsPerFrame: 1_000,
    });
  });
});

describe('peers that use another protocol', () => {
  const TLS_HELLO = Buffer.concat([Buffer.from('16030100c8010000c40303', 'hex'), Buffer.alloc(189, 7)]);
  const STRANGERS = [
    { name: 'TLS', bytes: TLS_HELLO },
    { name: 'RESP', bytes: Buffer.from('*1\r\n$4\r\nPING\r\n') },
    { name: 'a preface with one wrong byte', bytes: Buffer.concat([PREFACE.subarray(0, 23), Buffer.from('x')]) },
    { name: 'a preface without SETTINGS', bytes: Buffer.concat([PREFACE, headers(1, literal('a', 'b'))]) },
    { name: 'a first frame above all bounds', bytes: Buffer.concat([PREFACE, Buffer.alloc(9, 0xff)]) },
  ];

  test('receive an error or are closed', async () => {
    await openRange();
    const outcome = await range.under(async () => {
      const ends: Record<string, string | undefined> = {};
      for (const { name, bytes } of STRANGERS) {
        const peer = await openPeer({ withPreface: false });
        await peer.send(bytes);
        await peer.closed();
        ends[name] = peer.goaway?.error;
      }
      return ends;
    });
    const expected = Object.fromEntries(STRANGERS.map(({ name }) => [name, 'protocolError']));
    expect(outcome.result).toEqual({ ...expected, 'a first frame above all bounds': 'frameSizeError' });
    expectUnharmed(range, outcome, {
      maxBufferedRequestBytes: 0,
      effort: { frames: 100, bytes: 0 },
      maxCallsPerFrame: 200,
    });
  });
});

describe('thousands of idle connections', () => {
  /** Returns the number of files that this process may open. The limit also applies to each of its child processes. */
  function maxFiles(): number {
    return Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
  }

  async function openMany(count: number): Promise<void> {
    while (peers.length < count) {
      // The number of connections that open concurrently must not exceed the listener's backlog.
      await Promise.all(Array.from({ length: Math.min(BACKLOG, count - peers.length) }, () => openPeer()));
    }
  }

  test(`${TARGET_IDLE_CONNECTIONS} of them, as far as the file limit allows, cost little and do not delay calls`, async () => {
    const count = Math.min(TARGET_IDLE_CONNECTIONS, maxFiles() - OTHER_FILES);
    if (count < TARGET_IDLE_CONNECTIONS) {
      process.stderr.write(
        `the file limit of ${maxFiles()} allows ${count} connections instead of ${TARGET_IDLE_CONNECTIONS}\n`,
      );
    }
    expect(count).toBeGreaterThan(700);
    range = await AttackRange.open({ limits: { maxConnections: TARGET_IDLE_CONNECTIONS + 100 } });
    const outcome = await range.under(async () => {
      await openMany(count);
      await waitFor('all connections to be open', async () => (await range.report('glance')).connections > count);
      const calling = peers[Math.floor(count / 2)] as Http2Peer;
      await calling.send(unaryCall(1, attackPath('Echo'), Buffer.from('one of them')));
      return await answerOf(calling, 1);
    });
    expect(outcome.result.grpcStatus).toBe(0);
    expect(peers.filter((peer) => peer.isClosed || peer.hasEnded)).toHaveLength(0);
    const maxBufferedRequestBytes = count * MAX_IDLE_BYTES;
    // To accept a connection and exchange SETTINGS, the server needs more CPU time than for one call in a long series
    // of calls.
    expectUnharmed(range, outcome, {
      maxBufferedRequestBytes,
      effort: { frames: count, bytes: 0 },
      maxCallsPerFrame: 100,
    });
    dismiss(peers);
    await waitFor('all connections to be closed', async () => (await range.report('glance')).connections <= 1, 20_000);
    expect((await range.report()).liveBytes - outcome.before.liveBytes).toBeLessThan(8 * 1024 * 1024);
  }, 120_000);

  test('closes connections above the bound at once, and serves those below it', async () => {
    range = await AttackRange.open();
    const { maxConnections } = TRANSPORT_LIMITS;
    const outcome = await range.under(async () => {
      await openMany(maxConnections + 300);
      // The honest client uses one of the allowed connections.
      await waitFor(
        'the connections above the bound to be closed',
        () => peers.filter((peer) => peer.isClosed).length === 301,
      );
      const served = peers.find((peer) => !peer.isClosed) as Http2Peer;
      await served.send(unaryCall(1, attackPath('Echo'), Buffer.from('one of them')));
      return await answerOf(served, 1);
    });
    expect(outcome.result.grpcStatus).toBe(0);
    expect((await range.report()).connections).toBeLessThanOrEqual(maxConnections);
    const maxBufferedRequestBytes = maxConnections * MAX_IDLE_BYTES;
    expectUnharmed(range, outcome, {
      maxBufferedRequestBytes,
      effort: { frames: 1_300, bytes: 0 },
      maxCallsPerFrame: 100,
    });
    dismiss(peers.splice(0, 500));
    await waitFor('a new connection to be served', async () => {
      const peer = await openPeer();
      await peer.send(unaryCall(1, attackPath('Echo'), Buffer.from('a later one')));
      return (await answerOf(peer, 1)).grpcStatus === 0;
    });
  }, 60_000);
});
