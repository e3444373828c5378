/**
 * Messages that arrive compressed: what is accepted, what each refusal says, and that nothing is decompressed beyond the bound.
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
const OPEN = { isOver: () => false };
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

test('names what it accepts', () => {
  expect(ACCEPTED_ENCODINGS).toBe('identity,deflate,gzip');
});

describe.each(Object.entries(COMPRESSORS))('%s', (encoding, compress) => {
  test.each([0, 1, 500, 100_000, MAX_BYTES])('decompresses a message of %i bytes', async (bytes) => {
    const message = Buffer.alloc(bytes, 'pannier');
    expect((await compressed(compress(message), encoding).decompress(OPEN)).equals(message)).toBe(true);
  });

  test('rejects a message that is one byte too long', async () => {
    const message = compressed(compress(Buffer.alloc(MAX_BYTES + 1)), encoding);
    expect(await errorOf(() => message.decompress(OPEN))).toBe(
      `${Status.RESOURCE_EXHAUSTED} Cannot read the request: its message must have at most 4194304 bytes, got more than 4194304`,
    );
  });

  test('stops at the bound, however much follows', async () => {
    // The checksum at the end of the archive is wrong: only who decompresses all of it would see that.
    const bomb = compress(Buffer.alloc(8 * MAX_BYTES), { level: constants.Z_BEST_COMPRESSION });
    bomb.fill(0xaa, bomb.length - 8);
    expect(await errorOf(() => compressed(bomb, encoding).decompress(OPEN))).toMatch(`${Status.RESOURCE_EXHAUSTED} `);
  });

  test('rejects malformed bytes with a text that quotes nothing of them', async () => {
    const whole = compress(Buffer.from('a message of a caller'));
    const damaged = [Buffer.alloc(0), Buffer.from('no archive'), whole.subarray(0, whole.length - 1), flipped(whole)];
    for (const bytes of damaged) {
      expect(await errorOf(() => compressed(bytes, encoding).decompress(OPEN))).toBe(
        `${Status.INTERNAL} Cannot read the request: a message says that it is compressed with ${encoding}, but its bytes are not valid ${encoding}`,
      );
    }
  });
});

test('deflate is the zlib format, not raw deflate', async () => {
  const message = compressed(deflateRawSync(Buffer.from('raw')), 'deflate');
  expect(await errorOf(() => message.decompress(OPEN))).toMatch(`${Status.INTERNAL} `);
});

test.each([
  { flag: 0, encoding: 'identity', error: 'OK' },
  { flag: 0, encoding: 'zstd', error: 'OK' },
  { flag: 1, encoding: 'gzip', error: 'OK' },
  { flag: 1, encoding: 'deflate', error: 'OK' },
  {
    flag: 1,
    encoding: 'identity',
    error: `${Status.INTERNAL} Cannot read the request: the flag of a message says that it is compressed, but the call has no grpc-encoding; set both or none`,
  },
  {
    flag: 1,
    encoding: 'zstd',
    error: `${Status.UNIMPLEMENTED} Cannot read the request: grpc-encoding of a compressed message must be one of identity,deflate,gzip, got zstd`,
  },
  {
    flag: 2,
    encoding: 'gzip',
    error: `${Status.INTERNAL} Cannot read the request: the flag of a message must be 0 or 1, got 2`,
  },
])('flag $flag with grpc-encoding $encoding: $error', ({ flag, encoding, error }) => {
  const refusal = flagRefusal(flag, encoding);
  expect(refusal === undefined ? 'OK' : `${refusal.code} ${refusal.message}`).toBe(error);
});

test('decodes both kinds of message alike', () => {
  const method = { path: '/x', decode: (bytes: Buffer) => bytes.toString() } as unknown as AnyMethod;
  const call = { encoding: 'gzip', maxBytes: MAX_BYTES };
  expect(decodeRequest(method, requestMessage(0, Buffer.from('plain'), call), OPEN)).toBe('plain');
  expect(decodeRequest(method, requestMessage(1, gzipSync('packed'), call), OPEN)).toBe('packed');
});

test('decompresses up to 64 KiB at once, and more in another thread', async () => {
  const [short, long] = [64 * 1024, 64 * 1024 + 1].map((bytes) =>
    compressed(gzipSync(Buffer.alloc(bytes)), 'gzip').decompress(OPEN),
  );
  expect([isPromise(short), isPromise(long)]).toEqual([false, true]);
  await long;
});

test('does not decompress what waits for its turn and is over by then', async () => {
  const long = gzipSync(Buffer.alloc(MAX_BYTES));
  let asked = 0;
  const over = {
    isOver: () => {
      asked += 1;
      return true;
    },
  };
  const first = Array.from({ length: 2 }, () => compressed(long, 'gzip').decompress(OPEN));
  const damaged = compressed(Buffer.concat([long.subarray(0, 2_000), Buffer.alloc(100_000)]), 'gzip');
  expect(await errorOf(() => damaged.decompress(over))).toBe(
    `${Status.CANCELLED} Cannot read the request: the call is over`,
  );
  expect(asked).toBe(1);
  expect((await Promise.all(first)).map(({ length }) => length)).toEqual([MAX_BYTES, MAX_BYTES]);
  // The turns were given back.
  expect((await compressed(long, 'gzip').decompress(OPEN)).length).toBe(MAX_BYTES);
});

/** With a byte changed in its middle. */
function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const middle = Math.floor(copy.length / 2);
  copy.writeUInt8(copy.readUInt8(middle) ^ 0xff, middle);
  return copy;
}
