/**
 * A test client based on @grpc/grpc-js. The client runs the cases of ../cases.ts against a sidecar. For each case, it
 * prints `PASS name` or `FAIL name reason`.
 *
 *   client.ts ADDRESS DESCRIPTOR_SET (all|load)
 */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import grpc from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer, type MethodDefinition, type PackageDefinition } from '@grpc/proto-loader';

const MEBIBYTE = 1024 * 1024;
const CALL_TIMEOUT_MS = 20_000;
const LOAD_CALLS = 10_000;
const LOAD_IN_FLIGHT = 50;
const ANSWERS_EACH = 1_000;
const KEEP_ALIVE_MS = 1_000;
const IDLE_MS = 6_000;

const CHECK = 'pannier.v1.RateLimitService/CheckRateLimit';
const SET = 'pannier.v1.CacheService/CacheSet';
const GET = 'pannier.v1.CacheService/CacheGet';
const INVALIDATE = 'pannier.v1.CacheService/CacheInvalidate';
const WATCH = 'pannier.v1.CacheService/WatchInvalidations';
const CONFIRM = 'pannier.v1.CacheService/ConfirmInvalidations';

/** Fields of responses that the cases check. The names are those of the descriptor set. */
interface Answer {
  readonly allowed: boolean;
  readonly remaining: number;
  readonly value: Buffer;
  readonly key: Buffer;
  readonly valid_for_ms: number;
  readonly event: string;
  readonly started: { readonly watch_id: number };
}

interface CallOptions {
  readonly metadata?: grpc.Metadata;
  readonly deadlineMs?: number;
}

interface Client {
  call(path: string, request: object, options?: CallOptions): Promise<Answer>;
  check(key: string, limit?: number, metadata?: grpc.Metadata): Promise<Answer>;
  watch(options?: CallOptions): Watch;
  readonly channel: grpc.Client;
}

/** Stream of invalidations. `next` rejects with the status when the stream ends. */
interface Watch {
  next(): Promise<Answer>;
  cancel(): void;
}

const [address = '', descriptorSet = '', mode = ''] = process.argv.slice(2);
const definition: PackageDefinition = loadFileDescriptorSetFromBuffer(readFileSync(descriptorSet), {
  longs: Number,
  oneofs: true,
  defaults: true,
});

const client = connect();
if (mode === 'load') {
  await report('load', underLoad);
} else {
  const idle = keepAlive().then(
    () => undefined,
    (error: unknown) => error,
  );
  await report('rate-limit', rateLimit);
  await report('cache-3-mib', cacheLarge);
  await report('message-3.9-mib', () => messageSize(3.9 * MEBIBYTE, grpc.status.INVALID_ARGUMENT));
  await report('message-over-4-mib', () => messageSize(4 * MEBIBYTE + 1, grpc.status.RESOURCE_EXHAUSTED));
  await report('metadata-12-kib', () => client.check('node', LOAD_CALLS, largeMetadata(12)));
  await report('metadata-over-16-kib', metadataRefused);
  await report('gzip', compressed);
  await report('calls-10000', manyCalls);
  await report('watch', watch);
  await report('deadline', deadline);
  await report('cancel', cancel);
  await report('keep-alive', async () => {
    const error = await idle;
    if (error !== undefined) {
      throw error;
    }
  });
}
client.channel.close();

async function report(name: string, play: () => Promise<unknown>): Promise<void> {
  try {
    await play();
    process.stdout.write(`PASS ${name}\n`);
  } catch (error) {
    process.stdout.write(`FAIL ${name} ${String(error).replaceAll(/\s+/g, ' ')}\n`);
  }
}

function connect(options: grpc.ClientOptions = {}): Client {
  const channel = new grpc.Client(address, grpc.credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    ...options,
  });

  function call(path: string, request: object, options: CallOptions = {}): Promise<Answer> {
    const method = methodOf(path);
    const { metadata = new grpc.Metadata(), deadlineMs = CALL_TIMEOUT_MS } = options;
    return new Promise((resolve, reject) => {
      channel.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadata,
        { deadline: Date.now() + deadlineMs },
        (error, answer) => (error === null ? resolve(answer as Answer) : reject(error)),
      );
    });
  }

  return {
    channel,
    call,
    check: (key, limit = LOAD_CALLS * 10, metadata = new grpc.Metadata()) => {
      const limits = [{ name: 'month', algorithm: 'ALGORITHM_FIXED_WINDOW', limit, window_ms: 2_592_000_000 }];
      return call(CHECK, { key, limits }, { metadata });
    },
    watch: ({ deadlineMs = CALL_TIMEOUT_MS } = {}) => {
      const method = methodOf(WATCH);
      const stream = channel.makeServerStreamRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        {},
        { deadline: Date.now() + deadlineMs },
      );
      const events = stream[Symbol.asyncIterator]() as AsyncIterator<Answer, undefined>;
      return {
        cancel: () => stream.cancel(),
        next: async () => {
          const { value } = await events.next();
          if (value === undefined) {
            throw new Error('the stream ended; expected an event');
          }
          return value;
        },
      };
    },
  };
}

function methodOf(path: string): MethodDefinition<object, object> {
  const [service = '', name = ''] = path.split('/');
  const found = definition[service] as Record<string, MethodDefinition<object, object>> | undefined;
  const method = found?.[name];
  if (method === undefined) {
    throw new Error(`cannot call ${path}: the descriptor set does not contain this method`);
  }
  return method;
}

function expectEqual(found: unknown, expected: unknown): void {
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`expected ${JSON.stringify(expected)}, got ${JSON.stringify(found)}`);
  }
}

async function codeOf(call: Promise<unknown>): Promise<number> {
  try {
    await call;
    return grpc.status.OK;
  } catch (error) {
    return Number((error as grpc.ServiceError).code);
  }
}

function largeMetadata(kibibytes: number): grpc.Metadata {
  const metadata = new grpc.Metadata();
  metadata.set('x-large', 'm'.repeat(kibibytes * 1024));
  return metadata;
}

async function rateLimit(): Promise<void> {
  const seen: boolean[] = [];
  for (let index = 0; index < 4; index += 1) {
    seen.push((await client.check('node-few', 3)).allowed);
  }
  expectEqual(seen, [true, true, true, false]);
}

async function cacheLarge(): Promise<void> {
  const value = Buffer.alloc(3 * MEBIBYTE, 'pannier!');
  await client.call(SET, { key: Buffer.from('large'), value });
  const answer = await client.call(GET, { key: Buffer.from('large') });
  expectEqual(answer.value.equals(value), true);
}

/**
 * Sends a request that is too large, and checks that the connection remains usable. If only the value is too large, the
 * service rejects it. If the message is too large, the transport rejects it.
 */
async function messageSize(bytes: number, expected: number): Promise<void> {
  const call = client.call(SET, { key: Buffer.from('larger'), value: Buffer.alloc(bytes) });
  expectEqual(await codeOf(call), expected);
  await client.check('node');
}

async function metadataRefused(): Promise<void> {
  expectEqual(await codeOf(client.check('node', LOAD_CALLS, largeMetadata(17))), grpc.status.RESOURCE_EXHAUSTED);
  await client.check('node');
}

/** Each executed call consumes a unit of the limit, so the remaining units show how many calls were executed. */
async function compressed(): Promise<void> {
  const packing = connect({ 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip });
  for (const value of [Buffer.from('v'), Buffer.alloc(MEBIBYTE, 'v')]) {
    await packing.call(SET, { key: Buffer.from('gzip'), value });
    const answer = await packing.call(GET, { key: Buffer.from('gzip') });
    expectEqual(answer.value.equals(value), true);
  }
  packing.channel.close();
}

async function manyCalls(): Promise<void> {
  let started = 0;
  const errors: string[] = [];
  await inFlight(async () => {
    while (started < LOAD_CALLS) {
      started += 1;
      await client.check('node-load').catch((error: Error) => errors.push(error.message));
    }
  });
  expectEqual({ errors: errors.length, first: errors[0] }, { errors: 0 });
  expectEqual((await client.check('node-load')).remaining, LOAD_CALLS * 9 - 1);
}

async function inFlight(work: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: LOAD_IN_FLIGHT }, work));
}

async function watch(): Promise<void> {
  const stream = client.watch();
  expectEqual((await stream.next()).event, 'started');
  for (let index = 0; index < 3; index += 1) {
    const key = Buffer.from(`watched-${index}`);
    await client.call(INVALIDATE, { keys: [key] });
    expectEqual((await stream.next()).key, key);
  }
  stream.cancel();
  expectEqual(await codeOf(stream.next()), grpc.status.CANCELLED);
}

async function deadline(): Promise<void> {
  const stream = client.watch({ deadlineMs: 1_000 });
  expectEqual((await stream.next()).event, 'started');
  expectEqual(await codeOf(stream.next()), grpc.status.DEADLINE_EXCEEDED);
  await client.check('node');
}

/** Checks that a cancellation reaches the sidecar, which must then stop confirming the watch. */
async function cancel(): Promise<void> {
  const stream = client.watch();
  const { watch_id } = (await stream.next()).started;
  expectEqual((await client.call(CONFIRM, { watch_id })).valid_for_ms > 0, true);
  stream.cancel();
  expectEqual(await codeOf(stream.next()), grpc.status.CANCELLED);
  const endMs = performance.now() + CALL_TIMEOUT_MS;
  while ((await client.call(CONFIRM, { watch_id })).valid_for_ms > 0) {
    if (performance.now() > endMs) {
      throw new Error('the watch is still confirmed; it must have ended');
    }
    await pause(20);
  }
}

/**
 * Checks that an idle connection stays open while the client sends pings. A rejected or unanswered ping would close the
 * connection.
 */
async function keepAlive(): Promise<void> {
  const idle = connect({
    'grpc.keepalive_time_ms': KEEP_ALIVE_MS,
    'grpc.keepalive_timeout_ms': 1_000,
    'grpc.keepalive_permit_without_calls': 1,
  });
  await idle.check('node');
  const channel = idle.channel.getChannel();
  const hasChanged = await new Promise<boolean>((resolve) => {
    channel.watchConnectivityState(channel.getConnectivityState(false), Date.now() + IDLE_MS, (error) =>
      resolve(error === undefined),
    );
  });
  expectEqual(hasChanged, false);
  expectEqual(channel.getConnectivityState(false), grpc.connectivityState.READY);
  await idle.check('node');
  idle.channel.close();
}

/**
 * Reads the marker while connections end, until a thousand reads have found it and a thousand later reads have not
 * found it.
 */
async function underLoad(): Promise<void> {
  const key = Buffer.from('marker');
  await client.call(SET, { key, value: Buffer.from('first') });
  const endMs = performance.now() + 3 * CALL_TIMEOUT_MS;
  const errors: string[] = [];
  let withMarker = 0;
  let withoutMarker = 0;
  await inFlight(async () => {
    while (withoutMarker < ANSWERS_EACH && performance.now() < endMs) {
      const metadata = new grpc.Metadata({ waitForReady: true });
      const answer = await client.call(GET, { key }, { metadata }).catch((error: Error) => error);
      if (answer instanceof Error) {
        errors.push(answer.message);
      } else if (answer.value.length === 0) {
        withoutMarker += 1;
      } else {
        withMarker += 1;
        if (withMarker === ANSWERS_EACH) {
          process.stdout.write('LOADED\n');
        }
      }
    }
  });
  expectEqual({ errors: errors.length, first: errors[0] }, { errors: 0 });
  expectEqual(withoutMarker >= ANSWERS_EACH, true);
}
