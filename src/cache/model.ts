/**
 * Encodes and decodes cache entries as Redis stores them.
 *
 * An entry is one Redis string, so a single key contains all data that a reader needs to decide whether to serve the
 * value. Numbers are big-endian and unsigned. scripts/write.lua inserts the version, because only the Redis server
 * knows the number and the time of the write.
 *
 * ```text
 * offset  bytes  field
 *      0      1  format, 1
 *      1      1  flags: 1 = absent (the caller knows that the key has no value)
 *      2      1  length of this header, bytes: 41, or more if a newer release wrote it
 *      3      8  incarnation of the bucket's sequence, random
 *     11      8  number of the write in that sequence
 *     19      8  time of the write, Unix ms of the server
 *     27      4  TTL, ms after the write
 *     31      4  stale_ms: time for which the value may be served after its TTL while it is loaded again
 *     35      4  load_ms: time that loading the value took
 *     39      2  length of the tag block, bytes
 *     41      -  fields of newer releases, up to the length of the header; this release skips them
 *      -      -  tag block: for each tag its length (1 byte), the tag and its version (8 bytes)
 *      -      -  value
 * ```
 *
 * Invariants:
 *   1. Two writes never have the same `version` (bytes 3 to 26). After a failover that lost writes, a number may
 *      repeat, but not in combination with the same time in ms.
 *   2. `decodeEntry` never throws. It returns undefined for an entry with another format or an unknown flag, and for
 *      bytes that are not an entry. Callers treat undefined as a miss.
 *   3. A newer release may add fields to the header. If an older release must not serve the value, the newer release
 *      changes the format or sets a flag.
 */

export const ENTRY_FORMAT = 1;
const ENTRY_FLAG_ABSENT = 1;
export const ENTRY_HEADER_BYTES = 41;
const ENTRY_VERSION_BYTES = 24;
export const TAG_VERSION_BYTES = 8;
/** Length of an incarnation and of a stamp, in bytes. */
export const STAMP_BYTES = 8;

const NO_TAGS: readonly EntryTag[] = [];
const KNOWN_FLAGS = ENTRY_FLAG_ABSENT;
const VERSION_OFFSET = 3;
const NUMBER_OFFSET = 11;
const CREATED_OFFSET = 19;
const TTL_OFFSET = 27;
const STALE_OFFSET = 31;
const LOAD_OFFSET = 35;
const TAG_BLOCK_LENGTH_OFFSET = 39;

/** Bounds for requests. The service rejects longer keys, longer tags and longer lists of tags. */
export const MAX_CACHE_KEY_BYTES = 1_024;
export const MAX_CACHE_TAG_BYTES = 128;
export const MAX_CACHE_TAGS = 16;

export interface EntryTag {
  readonly name: string;
  /**
   * Version of the tag when the value was written. The entry is invalid if the tag is missing or has a different
   * version.
   */
  readonly version: Buffer;
}

export interface Entry {
  readonly absent: boolean;
  readonly version: Buffer;
  readonly createdAtMs: number;
  readonly ttlMs: number;
  readonly staleMs: number;
  readonly loadMs: number;
  readonly tags: readonly EntryTag[];
  readonly value: Buffer;
}

/**
 * Tags of the entry that the decoder decoded last. Entries that callers read together often have the same tags and
 * versions. The decoder reuses the tags in this case.
 */
export interface TagMemo {
  block: Buffer;
  tags: readonly EntryTag[];
  names: readonly string[];
}

export function createTagMemo(): TagMemo {
  return { block: Buffer.alloc(0), tags: NO_TAGS, names: [] };
}

/**
 * Decodes an entry, or returns undefined if the bytes are not an entry. The buffers of the entry are views of `bytes`.
 */
export function decodeEntry(bytes: Buffer, memo?: TagMemo): Entry | undefined {
  const headerBytes = bytes[2] ?? 0;
  if (bytes[0] !== ENTRY_FORMAT || headerBytes < ENTRY_HEADER_BYTES || bytes.length < headerBytes) {
    return undefined;
  }
  const flags = bytes[1] ?? 0;
  if ((flags & ~KNOWN_FLAGS) !== 0) {
    return undefined;
  }
  const valueOffset = headerBytes + bytes.readUInt16BE(TAG_BLOCK_LENGTH_OFFSET);
  if (bytes.length < valueOffset) {
    return undefined;
  }
  const tags = valueOffset === headerBytes ? NO_TAGS : decodeTags(bytes.subarray(headerBytes, valueOffset), memo);
  if (tags === undefined) {
    return undefined;
  }
  return {
    absent: (flags & ENTRY_FLAG_ABSENT) !== 0,
    version: versionIn(bytes),
    createdAtMs: readNumber(bytes, CREATED_OFFSET),
    ttlMs: bytes.readUInt32BE(TTL_OFFSET),
    staleMs: bytes.readUInt32BE(STALE_OFFSET),
    loadMs: bytes.readUInt32BE(LOAD_OFFSET),
    tags,
    value: bytes.subarray(valueOffset),
  };
}

/** Returns the version in a header as a view of the header. */
export function versionIn(header: Buffer): Buffer {
  return header.subarray(VERSION_OFFSET, VERSION_OFFSET + ENTRY_VERSION_BYTES);
}

/** Encodes the bytes of an entry before its version. */
export function encodeEntryStart(absent: boolean): Buffer {
  return Buffer.of(ENTRY_FORMAT, absent ? ENTRY_FLAG_ABSENT : 0, ENTRY_HEADER_BYTES);
}

/**
 * Encodes the bytes of an entry between its version and its value. The bounds above keep the tag block small enough for
 * its length field of two bytes.
 */
export function encodeEntryRest(entry: Pick<Entry, 'ttlMs' | 'staleMs' | 'loadMs' | 'tags'>): Buffer {
  const numbers = Buffer.alloc(ENTRY_HEADER_BYTES - TTL_OFFSET);
  numbers.writeUInt32BE(entry.ttlMs, 0);
  numbers.writeUInt32BE(entry.staleMs, STALE_OFFSET - TTL_OFFSET);
  numbers.writeUInt32BE(entry.loadMs, LOAD_OFFSET - TTL_OFFSET);
  const tagBlock = encodeTagBlock(entry.tags);
  numbers.writeUInt16BE(tagBlock.length, TAG_BLOCK_LENGTH_OFFSET - TTL_OFFSET);
  return Buffer.concat([numbers, tagBlock]);
}

/** Encodes incarnation, number and time as the version that callers receive. */
export function encodeVersion(incarnation: Buffer, number: number, createdAtMs: number): Buffer {
  const version = Buffer.alloc(ENTRY_VERSION_BYTES);
  incarnation.copy(version, 0, 0, STAMP_BYTES);
  writeNumber(version, NUMBER_OFFSET - VERSION_OFFSET, number);
  writeNumber(version, CREATED_OFFSET - VERSION_OFFSET, createdAtMs);
  return version;
}

/**
 * Returns a copy that does not share memory with other buffers. A view would keep its whole buffer in memory (a socket
 * chunk, a message or the shared pool), so the store would use more memory than it counts.
 */
export function copyBytes(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

function encodeTagBlock(tags: readonly EntryTag[]): Buffer {
  const parts: Buffer[] = [];
  for (const tag of tags) {
    const name = Buffer.from(tag.name);
    parts.push(Buffer.of(name.length), name, tag.version);
  }
  return Buffer.concat(parts);
}

function decodeTags(block: Buffer, memo: TagMemo | undefined): readonly EntryTag[] | undefined {
  if (memo?.block.equals(block)) {
    return memo.tags;
  }
  const tags = decodeTagBlock(block);
  if (memo !== undefined && tags !== undefined) {
    memo.block = block;
    memo.tags = tags;
    memo.names = tags.map((tag) => tag.name);
  }
  return tags;
}

function decodeTagBlock(block: Buffer): EntryTag[] | undefined {
  const tags: EntryTag[] = [];
  let offset = 0;
  while (offset < block.length) {
    const nameEnd = offset + 1 + (block[offset] ?? 0);
    const versionEnd = nameEnd + TAG_VERSION_BYTES;
    if (versionEnd > block.length) {
      return undefined;
    }
    tags.push({ name: block.toString('utf8', offset + 1, nameEnd), version: block.subarray(nameEnd, versionEnd) });
    offset = versionEnd;
  }
  return tags;
}

/** Reads eight bytes as a number. The numbers of this format are below 2^53. */
function readNumber(bytes: Buffer, offset: number): number {
  return bytes.readUInt32BE(offset) * 2 ** 32 + bytes.readUInt32BE(offset + 4);
}

function writeNumber(bytes: Buffer, offset: number, value: number): void {
  bytes.writeUInt32BE(Math.floor(value / 2 ** 32), offset);
  bytes.writeUInt32BE(value % 2 ** 32, offset + 4);
}
