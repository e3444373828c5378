/**
 * Sends random and mutated bytes to the built program, as messages of every method and directly to the TCP port. The
 * program must keep running, return only documented codes, and still serve valid calls.
 */
import { connect } from 'node:net';
import { Status } from '../../src/grpc/status.ts';
import { goodMessages, mutate, type SeededRandom, seededRandom } from '../support/grpc/mutations.ts';
import { connectRaw, type RawClient, type RawEnd } from '../support/grpc/raw-client.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';

const SEED = 20_261_124;
const MESSAGES = 10_000;
const STREAMS = 600;
const CONCURRENCY = 50;
const CONNECTIONS = 300;
const MAX_GROWTH_BYTES = 256 * 1024 * 1024;

/** Status codes that a sidecar with a memory store may return. INTERNAL is allowed only for malformed messages. */
const CODES = new Set<number>([
  Status.OK,
  Status.INVALID_ARGUMENT,
  Status.NOT_FOUND,
  Status.ABORTED,
  Status.FAILED_PRECONDITION,
  Status.RESOURCE_EXHAUSTED,
  Status.UNIMPLEMENTED,
  Status.DEADLINE_EXCEEDED,
]);
const MALFORMED = /^cannot read the request of \/[\w./]+: it is not a valid protobuf message of the request type$/;

let sidecar: Sidecar;
let client: RawClient;

beforeAll(async () => {
  sidecar = await startSidecar();
  client = connectRaw(sidecar.address);
});

afterAll(async () => {
  client?.close();
  await sidecar?.stop();
});

/** Returns the resident memory of the process from its metrics. */
async function memoryBytes(): Promise<number> {
  const text = await (await fetch(`${sidecar.adminUrl}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]);
}

async function expectHealthy(memoryBefore: number): Promise<void> {
  const messages = goodMessages();
  for (const name of ['CheckRateLimit', 'CreateSession', 'CacheSet', 'Check']) {
    const good = messages.find((message) => message.path.endsWith(`/${name}`));
    const answer = await client.unary(String(good?.path), good?.bytes ?? Buffer.alloc(0), { deadlineMs: 20_000 });
    expect([name, answer.code]).toEqual([name, Status.OK]);
  }
  const unexpected = sidecar.logLines().filter((line) => Number(line.level) >= 50);
  expect(unexpected).toEqual([]);
  const memoryNow = await memoryBytes();
  expect(memoryNow).toBeGreaterThan(0);
  expect(memoryNow - memoryBefore).toBeLessThan(MAX_GROWTH_BYTES);
}

/** Returns a description of an undocumented outcome, or undefined if the outcome is documented. */
function undocumented(path: string, bytes: Buffer, end: RawEnd): string | undefined {
  const isDocumented = end.code === Status.INTERNAL ? MALFORMED.test(end.details) : CODES.has(end.code);
  return isDocumented ? undefined : `${path} ${bytes.toString('hex').slice(0, 400)}: ${end.code} ${end.details}`;
}

async function inParallel(count: number, step: () => Promise<void>): Promise<void> {
  let left = count;
  async function work(): Promise<void> {
    while (left > 0) {
      left -= 1;
      await step();
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
}

test('returns documented codes for random and mutated messages of every unary method', async () => {
  const random = seededRandom(SEED);
  const methods = goodMessages().filter((message) => message.kind === 'unary');
  const memoryBefore = await memoryBytes();
  const codes = new Map<number, number>();
  const wrong: string[] = [];
  let sent = 0;
  await inParallel(MESSAGES, async () => {
    const { path, bytes: good } = methods[sent % methods.length] as (typeof methods)[number];
    sent += 1;
    const bytes = mutate(good, random);
    const end = await client.unary(path, bytes, { deadlineMs: 10_000 });
    codes.set(end.code, (codes.get(end.code) ?? 0) + 1);
    wrong.push(...[undocumented(path, bytes, end)].filter((text) => text !== undefined));
  });
  expect(wrong.slice(0, 5)).toEqual([]);
  // The test is meaningful only if enough messages pass the decoder and the checks of the services.
  for (const code of [Status.OK, Status.INVALID_ARGUMENT, Status.INTERNAL]) {
    expect(codes.get(code) ?? 0).toBeGreaterThan(MESSAGES / 200);
  }
  await expectHealthy(memoryBefore);
}, 120_000);

test('returns documented codes for random and mutated messages of every stream', async () => {
  const random = seededRandom(SEED + 1);
  const methods = goodMessages().filter((message) => message.kind !== 'unary');
  const memoryBefore = await memoryBytes();
  const wrong: string[] = [];
  let opened = 0;
  await inParallel(STREAMS, async () => {
    const { path, kind, bytes: good } = methods[opened % methods.length] as (typeof methods)[number];
    opened += 1;
    const bytes = mutate(good, random);
    const stream =
      kind === 'bidi_stream' ? client.bidi(path) : client.serverStream(path, bytes, { deadlineMs: 10_000 });
    if (kind === 'bidi_stream') {
      stream.call.write(bytes);
      stream.call.write(mutate(good, random));
      stream.call.end();
    }
    let hasEnded = false;
    const ended = stream.ended.then((end) => {
      hasEnded = true;
      return end;
    });
    await waitFor('a message or the end of the stream', () => hasEnded || stream.messages.length > 0);
    stream.call.cancel();
    const end = await ended;
    const problem = end.code === Status.CANCELLED ? undefined : undocumented(path, bytes, end);
    wrong.push(...[problem].filter((text) => text !== undefined));
  });
  expect(wrong.slice(0, 5)).toEqual([]);
  await expectHealthy(memoryBefore);
}, 120_000);

test('survives random bytes and incomplete HTTP/2 on the TCP port', async () => {
  const random = seededRandom(SEED + 2);
  const memoryBefore = await memoryBytes();
  await inParallel(CONNECTIONS, async () => {
    await throwAt(Number(sidecar.address.split(':').at(-1)), hostileBytes(random), random.below(2) === 0);
  });
  await expectHealthy(memoryBefore);
}, 120_000);

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

function hostileBytes(random: SeededRandom): Buffer {
  switch (random.below(4)) {
    case 0:
      return random.bytes(1 + random.below(2_000));
    case 1:
      return PREFACE.subarray(0, random.below(PREFACE.length));
    case 2:
      return Buffer.concat([PREFACE, http2Frame(4, 0, 0, Buffer.alloc(0)), random.bytes(random.below(500))]);
    default: {
      const frames = Array.from({ length: 1 + random.below(30) }, () => randomFrame(random));
      const bytes = Buffer.concat([PREFACE, http2Frame(4, 0, 0, Buffer.alloc(0)), ...frames]);
      return bytes.subarray(0, bytes.length - random.below(12));
    }
  }
}

/** Returns a well-formed frame of a random type (0 to 11, of which 10 are known) on one of the first streams. */
function randomFrame(random: SeededRandom): Buffer {
  return http2Frame(random.below(12), random.below(256), random.below(8), random.bytes(random.below(64)));
}

function http2Frame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

/** Connects, sends bytes, and closes the connection, either with a reset or normally. */
function throwAt(port: number, bytes: Buffer, withReset: boolean): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.once('close', () => resolve());
    socket.resume();
    socket.write(bytes, () => {
      if (withReset) {
        socket.resetAndDestroy();
        return;
      }
      socket.end();
      socket.setTimeout(200, () => socket.destroy());
    });
  });
}
