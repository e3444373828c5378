/**
 * Fuzzes Huffman decoding. Promises: what was encoded comes back; of random bytes it says what a decoder says that looks at every bit
 * (reference-hpack.ts); it writes no byte beyond its bound.
 */
import { huffmanBound, huffmanDecode } from '../../src/grpc/http2/hpack/huffman.ts';
import { huffmanEncode } from '../support/http2/huffman.ts';
import type { FastRandom } from '../support/http2/random.ts';
import { mutate } from './mutate.ts';
import { referenceHuffman } from './reference-hpack.ts';
import { ensure, type FuzzTarget } from './target.ts';

const GUARD_BYTE = 0xa5;

export const huffmanTarget: FuzzTarget = {
  name: 'huffman',
  share: 22,
  run: (random) => {
    const plain = random.bytes(random.below(24));
    const encoded = input(plain, random);
    const bound = huffmanBound(encoded.length);
    const target = Buffer.alloc(bound + 8, GUARD_BYTE);
    const length = huffmanDecode(encoded, 0, encoded.length, target);
    const decoded = length < 0 ? undefined : target.subarray(0, length);
    const wanted = expected(encoded);
    const isSame = decoded === undefined ? wanted === undefined : wanted !== undefined && decoded.equals(wanted);
    ensure(isSame, 'The decoders differ', () => ({ encoded: encoded.toString('hex'), decoded, wanted }));
    const isGuarded = target.subarray(bound).every((byte) => byte === GUARD_BYTE);
    ensure(isGuarded, 'It wrote beyond its bound', () => encoded.toString('hex'));
    const back = huffmanEncode(plain);
    const room = Buffer.alloc(huffmanBound(back.length));
    const isBack =
      huffmanDecode(back, 0, back.length, room) === plain.length && room.subarray(0, plain.length).equals(plain);
    ensure(isBack, 'What was encoded does not come back', () => plain.toString('hex'));
    return undefined;
  },
};

function input(plain: Buffer, random: FastRandom): Buffer {
  return random.once(2) ? random.bytes(random.below(16)) : mutate(huffmanEncode(plain), random, 2);
}

function expected(encoded: Buffer): Buffer | undefined {
  try {
    return referenceHuffman(encoded);
  } catch {
    return undefined;
  }
}
