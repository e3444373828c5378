/**
 * Encodes and decodes the messages of an invalidation channel. The cache scripts (src/cache/scripts) write the same
 * format.
 *
 * ```text
 * offset  bytes  field
 *      0      1  format, 1
 *      1      1  kind: 1 = the names (keys or tags) are invalid, 2 = the whole bucket is invalid
 *      2      1  length of this header, bytes: 27, 51 with a version, or more if a newer release wrote it
 *      3      8  incarnation of the bucket's sequence, random
 *     11      8  number of the change, one more than that of the previous message
 *     19      8  stamp of the change: random bytes, also stored in the ring
 *     27     24  version of the entry that a write stored under the only name; missing for an invalidation
 *      -      -  names: for each name its length (2 bytes) and its bytes
 * ```
 *
 * Invariants:
 *   1. A reader skips header fields that it does not know.
 *   2. The decoder returns undefined for a message that it cannot decode. The receiver must treat such a message as a
 *      gap, because a newer sidecar may have published a message of an unknown kind.
 */

const FORMAT = 1;
const KIND_NAMES = 1;
const KIND_FLUSH = 2;
const HEADER_BYTES = 27;
const INCARNATION_OFFSET = 3;
const NUMBER_OFFSET = 11;
const STAMP_OFFSET = 19;
const VERSION_OFFSET = 27;
const VERSION_BYTES = 24;
const RANDOM_BYTES = 8;

export interface InvalidationMessage {
  readonly kind: 'names' | 'flush';
  /** Bytes of the incarnation as latin1 text, which is cheap to compare. */
  readonly incarnation: string;
  readonly sequence: number;
  /** Bytes of the stamp as latin1 text. */
  readonly stamp: string;
  /** Names as latin1 text, which represents any bytes without loss. The list is empty for a flush. */
  readonly names: readonly string[];
  /**
   * Version (24 bytes as latin1 text) of the entry that a write stored under the only name in the list. Unset for an
   * invalidation.
   */
  readonly version?: string;
}

export function decodeInvalidationMessage(bytes: Buffer): InvalidationMessage | undefined {
  if (bytes.length < HEADER_BYTES || bytes[0] !== FORMAT) {
    return undefined;
  }
  const kind = bytes[1];
  if (kind !== KIND_NAMES && kind !== KIND_FLUSH) {
    return undefined;
  }
  const headerBytes = bytes[2] ?? 0;
  if (headerBytes < HEADER_BYTES || bytes.length < headerBytes) {
    return undefined;
  }
  const names = decodeNames(bytes, headerBytes);
  if (names === undefined) {
    return undefined;
  }
  const hasVersion = headerBytes >= VERSION_OFFSET + VERSION_BYTES;
  return {
    kind: kind === KIND_FLUSH ? 'flush' : 'names',
    incarnation: bytes.toString('latin1', INCARNATION_OFFSET, INCARNATION_OFFSET + RANDOM_BYTES),
    sequence: bytes.readUInt32BE(NUMBER_OFFSET) * 2 ** 32 + bytes.readUInt32BE(NUMBER_OFFSET + 4),
    stamp: bytes.toString('latin1', STAMP_OFFSET, STAMP_OFFSET + RANDOM_BYTES),
    names,
    ...(hasVersion ? { version: bytes.toString('latin1', VERSION_OFFSET, VERSION_OFFSET + VERSION_BYTES) } : {}),
  };
}

export function encodeInvalidationMessage(message: InvalidationMessage): Buffer {
  const { version } = message;
  const header = Buffer.alloc(version === undefined ? HEADER_BYTES : HEADER_BYTES + VERSION_BYTES);
  header[0] = FORMAT;
  header[1] = message.kind === 'flush' ? KIND_FLUSH : KIND_NAMES;
  header[2] = header.length;
  header.write(message.incarnation, INCARNATION_OFFSET, 'latin1');
  header.writeUInt32BE(Math.floor(message.sequence / 2 ** 32), NUMBER_OFFSET);
  header.writeUInt32BE(message.sequence % 2 ** 32, NUMBER_OFFSET + 4);
  header.write(message.stamp, STAMP_OFFSET, 'latin1');
  header.write(version ?? '', VERSION_OFFSET, 'latin1');
  return Buffer.concat([header, encodeNames(message.names.map((name) => Buffer.from(name, 'latin1')))]);
}

/** Encodes the names of a message. A script prepends the header. */
export function encodeNames(names: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [];
  for (const name of names) {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(name.length);
    parts.push(length, name);
  }
  return Buffer.concat(parts);
}

function decodeNames(bytes: Buffer, headerBytes: number): string[] | undefined {
  const names: string[] = [];
  let offset = headerBytes;
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
