/**
 * The messages of an invalidation channel, as bytes. The scripts of the cache (src/cache/scripts) write the same.
 *
 *   offset  bytes  field
 *        0      1  format, 1
 *        1      1  kind: 1 = names (keys of an entry bucket, tags of a tag bucket) are invalid, 2 = the whole bucket is
 *        2      1  length of this header, bytes: 27, 51 with a version, or more if a newer release wrote it; what is unknown is skipped
 *        3      8  incarnation of the bucket's sequence, random
 *       11      8  number: one more than that of the message before
 *       19      8  stamp: random bytes that the change left in the ring beside its number
 *       27     24  version of the entry that a write stored under the only name; missing for an invalidation
 *        -      -  names: per name its length (2 bytes) and its bytes
 *
 * A message that cannot be read is undefined. Its receiver must treat it as a gap, because it may come from a newer sidecar that publishes more
 * than this one understands.
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
  /** latin1 text of the incarnation's bytes: only compared. */
  readonly incarnation: string;
  readonly sequence: number;
  /** latin1 text of the stamp's bytes: only compared. */
  readonly stamp: string;
  /** latin1 text of the names' bytes: exact for any bytes, and cheap to compare. Empty for a flush. */
  readonly names: readonly string[];
  /** latin1 text of the version's bytes (24): of the entry that a write stored under the only name. Unset for an invalidation. */
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
