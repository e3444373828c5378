/**
 * Mutates valid bytes in ways that parsers often handle badly.
 */
import type { FastRandom } from '../support/http2/random.ts';

const INTERESTING = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x1f, 0x3f, 0x20, 0x40, 0x10];

/** Returns the bytes after at least one and at most `maxRounds` random mutations. */
export function mutate(bytes: Buffer, random: FastRandom, maxRounds = 4): Buffer {
  let mutated = bytes;
  for (let rounds = 1 + random.below(maxRounds); rounds > 0; rounds -= 1) {
    mutated = mutateOnce(mutated, random);
  }
  return mutated;
}

function mutateOnce(bytes: Buffer, random: FastRandom): Buffer {
  const at = random.below(bytes.length + 1);
  switch (random.below(8)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(8)), bytes.subarray(at)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(8))]);
    case 3: {
      const from = random.below(bytes.length + 1);
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(from, from + random.below(60)), bytes.subarray(at)]);
    }
    case 4:
      return changed(bytes, at, () => random.pick(INTERESTING));
    case 5:
      return changed(bytes, at, () => random.below(256));
    default:
      return changed(bytes, at, (byte) => byte ^ (1 << random.below(8)));
  }
}

function changed(bytes: Buffer, at: number, change: (byte: number) => number): Buffer {
  const copy = Buffer.from(bytes);
  if (at < copy.length) {
    copy.writeUInt8(change(copy.readUInt8(at)), at);
  }
  return copy;
}

/** Splits bytes into one, a few or many chunks. Each chunk has its own memory, like the chunks that a socket emits. */
export function cut(bytes: Buffer, random: FastRandom): Buffer[] {
  const maxSize = random.once(12) ? random.pick([1, 3]) : random.pick([60, 400, bytes.length]);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = maxSize === bytes.length ? maxSize : 1 + random.below(maxSize);
    pieces.push(Buffer.from(bytes.subarray(at, at + size)));
    at += size;
  }
  return pieces;
}
