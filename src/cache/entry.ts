/**
 * A cache entry as bytes: the header that every entry carries in the store, and how it is read.
 *
 * All of it is one string in Redis, so that one key holds everything that decides whether a value may be served. Numbers are
 * big-endian and unsigned. scripts/write.lua makes the header, since only the server knows sequence and time.
 *
 *   offset  bytes  field
 *        0      1  format, 1; an entry of another format is no entry (an older sidecar beside a newer one sees misses)
 *        1      1  flags: 1 = absent ("known not to exist")
 *        2      8  incarnation of the bucket's sequence, random
 *       10      8  sequence: the bucket's number at this write
 *       18      8  when it was written, Unix ms of the server
 *       26      4  time to live from then on, ms
 *       30      2  length of the tag block, bytes
 *       32      -  tag block: per tag its length (1 byte), the tag, its version (8 bytes)
 *        -      -  the value
 *
 * Promises:
 *   1. `version` (offset 2 to 26) is equal only for the same write: the number alone could come again after a failover that
 *      lost writes, the same number in the same millisecond does not.
 *   2. `decodeEntry` throws on nothing: bytes that are no entry are undefined, that is a miss.
 */

export const ENTRY_FORMAT = 1;
export const ENTRY_FLAG_ABSENT = 1;
export const ENTRY_HEADER_BYTES = 32;
export const ENTRY_VERSION_BYTES = 24;
export const INCARNATION_BYTES = 8;
export const TAG_VERSION_BYTES = 8;

const VERSION_OFFSET = 2;
const CREATED_OFFSET = 18;
const TTL_OFFSET = 26;
const TAG_BLOCK_LENGTH_OFFSET = 30;

/** What callers may ask for; the service refuses the rest. */
export const CACHE_KEY_BYTES_MAX = 1_024;
export const CACHE_TAG_BYTES_MAX = 128;
export const CACHE_TAGS_MAX = 16;

export interface EntryTag {
  readonly name: string;
  /** The tag's version when the value was written; the entry is void once the tag has another one, or none. */
  readonly version: Buffer;
}

export interface Entry {
  readonly absent: boolean;
  readonly version: Buffer;
  readonly createdAtMs: number;
  readonly ttlMs: number;
  readonly tags: readonly EntryTag[];
  readonly value: Buffer;
}

/** The entry in these bytes, its buffers views of them, or undefined when they are none. */
export function decodeEntry(bytes: Buffer): Entry | undefined {
  if (bytes.length < ENTRY_HEADER_BYTES || bytes[0] !== ENTRY_FORMAT) {
    return undefined;
  }
  const valueOffset = ENTRY_HEADER_BYTES + bytes.readUInt16BE(TAG_BLOCK_LENGTH_OFFSET);
  if (bytes.length < valueOffset) {
    return undefined;
  }
  const tags = decodeTagBlock(bytes.subarray(ENTRY_HEADER_BYTES, valueOffset));
  if (tags === undefined) {
    return undefined;
  }
  return {
    absent: ((bytes[1] ?? 0) & ENTRY_FLAG_ABSENT) !== 0,
    version: bytes.subarray(VERSION_OFFSET, VERSION_OFFSET + ENTRY_VERSION_BYTES),
    createdAtMs: readNumber(bytes, CREATED_OFFSET),
    ttlMs: bytes.readUInt32BE(TTL_OFFSET),
    tags,
    value: bytes.subarray(valueOffset),
  };
}

/** The tag block of an entry. Its length fits the header's two bytes by the bounds above. */
export function encodeTagBlock(tags: readonly EntryTag[]): Buffer {
  const parts: Buffer[] = [];
  for (const tag of tags) {
    const name = Buffer.from(tag.name);
    parts.push(Buffer.of(name.length), name, tag.version);
  }
  return Buffer.concat(parts);
}

/** Incarnation, sequence and time as the version that callers see. */
export function encodeVersion(incarnation: Buffer, sequence: number, createdAtMs: number): Buffer {
  const version = Buffer.alloc(ENTRY_VERSION_BYTES);
  incarnation.copy(version, 0, 0, INCARNATION_BYTES);
  writeNumber(version, INCARNATION_BYTES, sequence);
  writeNumber(version, INCARNATION_BYTES + 8, createdAtMs);
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
