/**
 * A cache entry as bytes: the header that every entry carries in the store, and how it is read.
 *
 * All of it is one string in Redis, so that one key holds everything that decides whether a value may be served. Numbers are
 * big-endian and unsigned. scripts/write.lua inserts the version, since only the server knows number and time.
 *
 *   offset  bytes  field
 *        0      1  format, 1
 *        1      1  flags: 1 = absent ("known not to exist")
 *        2      1  length of this header, bytes: 41, or more if a newer release wrote it
 *        3      8  incarnation of the bucket's sequence, random
 *       11      8  number of the write in that sequence
 *       19      8  time of the write, Unix ms of the server
 *       27      4  TTL from then on, ms
 *       31      4  stale_ms: how long the value may be served after its TTL while it is loaded again
 *       35      4  load_ms: how long the value took to load
 *       39      2  length of the tag block, bytes
 *       41      -  fields of newer releases, up to the length of the header; skipped
 *        -      -  tag block: per tag its length (1 byte), the tag, its version (8 bytes)
 *        -      -  value
 *
 * Invariants:
 *   1. `version` (offset 3 to 27) is equal only for the same write: the number alone could come again after a failover that
 *      lost writes, the same number in the same millisecond does not.
 *   2. `decodeEntry` never throws: an entry of another format or with an unknown flag, and bytes that are no entry, are undefined, hence a
 *      miss. A newer release may add fields to the header; it changes the format or sets a flag if an older one must not serve the value.
 */

export const ENTRY_FORMAT = 1;
const ENTRY_FLAG_ABSENT = 1;
export const ENTRY_HEADER_BYTES = 41;
const ENTRY_VERSION_BYTES = 24;
export const TAG_VERSION_BYTES = 8;
/** Of an incarnation or a stamp. */
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

/** Bounds of what callers may send; the service refuses the rest. */
export const MAX_CACHE_KEY_BYTES = 1_024;
export const MAX_CACHE_TAG_BYTES = 128;
export const MAX_CACHE_TAGS = 16;

export interface EntryTag {
  readonly name: string;
  /** The tag's version when the value was written; the entry is invalid once the tag has another one, or none. */
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

/** The tags of the entry decoded last: entries that are read together often have the same tags, with the same versions. */
export interface TagMemo {
  block: Buffer;
  tags: readonly EntryTag[];
  names: readonly string[];
}

export function createTagMemo(): TagMemo {
  return { block: Buffer.alloc(0), tags: NO_TAGS, names: [] };
}

/** The entry in these bytes, its buffers views of them, or undefined when they are none. */
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

/** The version in a header. */
export function versionIn(header: Buffer): Buffer {
  return header.subarray(VERSION_OFFSET, VERSION_OFFSET + ENTRY_VERSION_BYTES);
}

/** What stands before the version of an entry. */
export function encodeEntryStart(absent: boolean): Buffer {
  return Buffer.of(ENTRY_FORMAT, absent ? ENTRY_FLAG_ABSENT : 0, ENTRY_HEADER_BYTES);
}

/** What stands between the version of an entry and its value. The tag block's length fits its two bytes by the bounds above. */
export function encodeEntryRest(entry: Pick<Entry, 'ttlMs' | 'staleMs' | 'loadMs' | 'tags'>): Buffer {
  const numbers = Buffer.alloc(ENTRY_HEADER_BYTES - TTL_OFFSET);
  numbers.writeUInt32BE(entry.ttlMs, 0);
  numbers.writeUInt32BE(entry.staleMs, STALE_OFFSET - TTL_OFFSET);
  numbers.writeUInt32BE(entry.loadMs, LOAD_OFFSET - TTL_OFFSET);
  const tagBlock = encodeTagBlock(entry.tags);
  numbers.writeUInt16BE(tagBlock.length, TAG_BLOCK_LENGTH_OFFSET - TTL_OFFSET);
  return Buffer.concat([numbers, tagBlock]);
}

/** Incarnation, number and time as the version that callers see. */
export function encodeVersion(incarnation: Buffer, number: number, createdAtMs: number): Buffer {
  const version = Buffer.alloc(ENTRY_VERSION_BYTES);
  incarnation.copy(version, 0, 0, STAMP_BYTES);
  writeNumber(version, NUMBER_OFFSET - VERSION_OFFSET, number);
  writeNumber(version, CREATED_OFFSET - VERSION_OFFSET, createdAtMs);
  return version;
}

/**
 * A copy with memory of its own. A view would keep the whole buffer alive that it came in (a socket's chunk, a message,
 * the shared pool), so that what is bounded in bytes here would not be bounded in fact.
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

/** Eight bytes as a number; ours are below 2^53. */
function readNumber(bytes: Buffer, offset: number): number {
  return bytes.readUInt32BE(offset) * 2 ** 32 + bytes.readUInt32BE(offset + 4);
}

function writeNumber(bytes: Buffer, offset: number, value: number): void {
  bytes.writeUInt32BE(Math.floor(value / 2 ** 32), offset);
  bytes.writeUInt32BE(value % 2 ** 32, offset + 4);
}
