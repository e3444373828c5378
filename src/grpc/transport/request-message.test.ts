/**
 * Tests compressed messages: accepted encodings, error texts, the size limit of decompression, and the queue.
 */
import { constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { isPromise } from '../../lib/maybe-promise.ts';
import type { AnyMethod } from '../method.ts';
import { Status, StatusError } from '../status.ts';
import {
  ACCEPTED_ENCODINGS,
  CompressedMessage,
  decodeRequest,
  flagRefusal,
  requestMessage,
} from './request-message.ts';

const MAX_BYTES = 4 * 1024 * 1024;
const COMPRESSORS = { gzip: gzipSync, deflate: deflateSync } as const;

function compressed(bytes: Buffer, encoding: string, maxBytes = MAX_BYTES): CompressedMessage {
  return new CompressedMessage({ bytes, encoding, maxBytes });
}

async function errorOf(play: () => unknown): Promise<string> {
  try {
    await play();
  } catch (error) {
    if (error instanceof StatusError) {
      return `${error.code} ${error.message}`;
    }
    throw error;
  }
  return 'OK';
}

test('accepts identity, deflate and gzip', () => {
  expect(ACCEPTED_ENCODINGS).toBe('identity,deflate,gzip');
});

describe.each(Object.entries(COMPRESSORS))('%s', (encoding, compress) => {
  test.each([0, 1, 500, 100_000, MAX_BYTES])('decompresses a message of %i bytes', async (bytes) => {
    const message = Buffer.alloc(bytes, 'pannier');
    expect((await compressed(compress(message), encoding).decompress(openCall())).equals(message)).toBe(true);
  });

  test('rejects a message that is one byte too long', async () => {
    const message = compressed(compress(Buffer.alloc(MAX_BYTES + 1)), encoding);
    expect(await errorOf(() => message.decompress(openCall()))).toBe(
      `${Status.RESOURCE_EXHAUSTED} cannot read the request: its message must have at most 4194304 bytes, got more than 4194304`,
    );
  });

  test('stops decompressing at the maximum size', async () => {
    // The checksum at the end is wrong, so complete decompression would fail with another status.
    const bomb = compress(Buffer.alloc(8 * MAX_BYTES), { level: constants.Z_BEST_COMPRESSION });
    bomb.fill(0xaa, bomb.length - 8);
    expect(await errorOf(() => compressed(bomb, encoding).decompress(openCall()))).toMatch(
      `${Status.RESOURCE_EXHAUSTED} `,
    );
  });

  test('rejects malformed bytes without quoting them', async () => {
    const whole = compress(Buffer.from('a message of a caller'));
    const damaged = [Buffer.alloc(0), Buffer.from('no archive'), whole.subarray(0, whole.length - 1), flipped(whole)];
    for (const bytes of damaged) {
      expect(await errorOf(() => compressed(bytes, encoding).decompress(openCall()))).toBe(
        `${Status.INTERNAL} cannot read the request: a message says that it is compressed with ${encoding}, but its bytes are not valid ${encoding}`,
      );
    }
  });
});

test('deflate is the zlib format, not raw deflate', async () => {
  const message = compressed(deflateRawSync(Buffer.from('raw')), 'deflate');
  expect(await errorOf(() => message.decompress(openCall()))).toMatch(`${Status.INTERNAL} `);
});

test.each([
  { flag: 0, encoding: 'identity', error: 'OK' },
  { flag: 0, encoding: 'zstd', error: 'OK' },
  { flag: 1, encoding: 'gzip', error: 'OK' },
  { flag: 1, encoding: 'deflate', error: 'OK' },
  {
    flag: 1,
    encoding: 'identity',
    error: `${Status.INTERNAL} cannot read the request: the flag of a message says that it is compressed, but the call has no grpc-encoding; set both or none`,
  },
  {
    flag: 1,
    encoding: 'zstd',
    error: `${Status.UNIMPLEMENTED} cannot read the request: grpc-encoding of a compressed message must be one of identity,deflate,gzip, got zstd`,
  },
  {
    flag: 2,
    encoding: 'gzip',
    error: `${Status.INTERNAL} cannot read the request: the flag of a message must be 0 or 1, got 2`,
  },
])('flag $flag with grpc-encoding $encoding returns $error', ({ flag, encoding, error }) => {
  const refusal = flagRefusal(flag, encoding);
  expect(refusal === undefined ? 'OK' : `${refusal.code} ${refusal.message}`).toBe(error);
});

test('decodes plain and compressed messages to the same result', () => {
  const method = { path: '/x', decode: (bytes: Buffer) => bytes.toString() } as unknown as AnyMethod;
  const call = { encoding: 'gzip', maxBytes: MAX_BYTES };
  expect(decodeRequest(method, requestMessage(0, Buffer.from('plain'), call), openCall())).toBe('plain');
  expect(decodeRequest(method, requestMessage(1, gzipSync('packed'), call), openCall())).toBe('packed');
});

test('decompresses up to 64 KiB synchronously, and more in another thread', async () => {
  const [short, long] = [64 * 1024, 64 * 1024 + 1].map((bytes) =>
    compressed(gzipSync(Buffer.alloc(bytes)), 'gzip').decompress(openCall()),
  );
  expect([isPromise(short), isPromise(long)]).toEqual([false, true]);
  await long;
});

test('drops a queued message as soon as its call ends', async () => {
  const long = gzipSync(Buffer.alloc(MAX_BYTES));
  const settled: string[] = [];
  const first = Array.from({ length: 2 }, () =>
    Promise.resolve(compressed(long, 'gzip').decompress(openCall())).then(({ length }) => settled.push(`${length}`)),
  );
  const call = openCall();
  const dropped = errorOf(() => compressed(long, 'gzip').decompress(call)).then((error) => settled.push(error));
  call.end();
  await Promise.all([...first, dropped]);
  expect(settled).toEqual([
    `${Status.CANCELLED} cannot read the request: the call has ended`,
    `${MAX_BYTES}`,
    `${MAX_BYTES}`,
  ]);
  // The dropped message does not block the next message.
  expect((await compressed(long, 'gzip').decompress(openCall())).length).toBe(MAX_BYTES);
});

test('does not decompress a message of a call that has ended', async () => {
  const call = openCall();
  call.end();
  const damaged = compressed(Buffer.alloc(100_000), 'gzip');
  expect(await errorOf(() => damaged.decompress(call))).toMatch(`${Status.CANCELLED} `);
});

test('rejects a message whose call ends during decompression', async () => {
  const call = openCall();
  const running = errorOf(() => compressed(gzipSync(Buffer.alloc(MAX_BYTES)), 'gzip').decompress(call));
  call.end();
  expect(await running).toMatch(`${Status.CANCELLED} `);
});

test('adds one end listener to a call that queues several messages', async () => {
  const long = gzipSync(Buffer.alloc(MAX_BYTES));
  const call = openCall();
  for (let round = 0; round < 2; round += 1) {
    const others = Array.from({ length: 2 }, () => compressed(long, 'gzip').decompress(openCall()));
    const waited = await compressed(long, 'gzip').decompress(call);
    expect(waited.length).toBe(MAX_BYTES);
    await Promise.all(others);
  }
  expect(call.listeners).toHaveLength(1);
});

/** Returns a call that `end` ends. */
function openCall() {
  const listeners: (() => void)[] = [];
  let isOver = false;
  return {
    listeners,
    isOver: () => isOver,
    onOver: (listener: () => void) => {
      listeners.push(listener);
    },
    end: () => {
      isOver = true;
      for (const listener of listeners) {
        listener();
      }
    },
  };
}

/** Returns a copy with one byte changed in the middle. */
function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const middle = Math.floor(copy.length / 2);
  copy.writeUInt8(copy.readUInt8(middle) ^ 0xff, middle);
  return copy;
}
