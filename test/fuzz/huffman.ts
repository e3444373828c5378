/**
 * Fuzzes Huffman decoding.
 *
 * Invariants:
 *   1. Decoding encoded bytes returns the original bytes.
 *   2. For random bytes, the decoder returns the same result as a decoder that reads every bit separately
 *      (reference-hpack.ts).
 *   3. The decoder writes no byte beyond `huffmanBound`.
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
    const expected = reference(encoded);
    const isSame = decoded === undefined ? expected === undefined : expected !== undefined && decoded.equals(expected);
    ensure(isSame, 'the decoders differ', () => ({ encoded: encoded.toString('hex'), decoded, expected }));
    const isGuarded = target.subarray(bound).every((byte) => byte === GUARD_BYTE);
    ensure(isGuarded, 'the decoder wrote beyond its bound', () => encoded.toString('hex'));
    const back = huffmanEncode(plain);
    const output = Buffer.alloc(huffmanBound(back.length));
    const isBack =
      huffmanDecode(back, 0, back.length, output) === plain.length && output.subarray(0, plain.length).equals(plain);
    ensure(isBack, 'decoding does not return the encoded bytes', () => plain.toString('hex'));
    return undefined;
  },
};

function input(plain: Buffer, random: FastRandom): Buffer {
  return random.once(2) ? random.bytes(random.below(16)) : mutate(huffmanEncode(plain), random, 2);
}

function reference(encoded: Buffer): Buffer | undefined {
  try {
    return referenceHuffman(encoded);
  } catch {
    return undefined;
  }
}
