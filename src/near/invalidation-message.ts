/**
 * What is said on an invalidation channel, as bytes. scripts/*.lua of the cache write the same.
 *
 *   offset  bytes  field
 *        0      1  format, 1
 *        1      1  kind: 1 = names (keys of an entry bucket, tags of a tag bucket) are void, 2 = the whole bucket is
 *        2      8  incarnation of the bucket's sequence, random
 *       10      8  sequence: one more than the message before
 *       18      -  names: per name its length (2 bytes) and its bytes
 *
 * A message that cannot be read is undefined; whoever hears it must take it for a gap, since it may come from a newer
 * sidecar that says more than we understand.
 */

const FORMAT = 1;
const KIND_NAMES = 1;
const KIND_FLUSH = 2;
const HEADER_BYTES = 18;
const INCARNATION_BYTES = 8;

export interface InvalidationMessage {
  readonly kind: 'names' | 'flush';
  /** latin1 text of the incarnation's bytes: only compared. */
  readonly incarnation: string;
  readonly sequence: number;
  /** latin1 text of the names' bytes: exact for any bytes, and cheap to compare. Empty for a flush. */
  readonly names: readonly string[];
}

export function decodeInvalidationMessage(bytes: Buffer): InvalidationMessage | undefined {
  if (bytes.length < HEADER_BYTES || bytes[0] !== FORMAT) {
    return undefined;
  }
  const kind = bytes[1];
  if (kind !== KIND_NAMES && kind !== KIND_FLUSH) {
    return undefined;
  }
  const names = decodeNames(bytes);
  if (names === undefined) {
    return undefined;
  }
  return {
    kind: kind === KIND_FLUSH ? 'flush' : 'names',
    incarnation: bytes.toString('latin1', 2, 2 + INCARNATION_BYTES),
    sequence: bytes.readUInt32BE(10) * 2 ** 32 + bytes.readUInt32BE(14),
    names,
  };
}

export function encodeInvalidationMessage(message: InvalidationMessage): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header[0] = FORMAT;
  header[1] = message.kind === 'flush' ? KIND_FLUSH : KIND_NAMES;
  header.write(message.incarnation, 2, 'latin1');
  header.writeUInt32BE(Math.floor(message.sequence / 2 ** 32), 10);
  header.writeUInt32BE(message.sequence % 2 ** 32, 14);
  return Buffer.concat([header, encodeNames(message.names.map((name) => Buffer.from(name, 'latin1')))]);
}

/** The names' part of a message; a script puts the header before it. */
export function encodeNames(names: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [];
  for (const name of names) {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(name.length);
    parts.push(length, name);
  }
  return Buffer.concat(parts);
}

function decodeNames(bytes: Buffer): string[] | undefined {
  const names: string[] = [];
  let offset = HEADER_BYTES;
  while (offset < bytes.length) {
    const start = offset + 2;
    const end = start + (start <= bytes.length ? bytes.readUInt16BE(offset) : bytes.length);
    if (end > bytes.length) {
      return undefined;
    }
    names.push(bytes.toString('latin1', start, end));
    offset = end;
  }
  return names;
}
