/**
 * Header cache of one connection: converts header blocks to request headers.
 *
 * Callers send the same headers repeatedly. While the dynamic table is unchanged, equal blocks decode to equal request
 * headers. The cache therefore keeps the last few blocks, and decodes a new block only if no cached block has the same
 * bytes.
 */

import { bufferedCopy } from '../../transport/buffered-memory.ts';
import { HpackDecoder } from '../hpack/decoder.ts';
import type { Field } from '../hpack/field.ts';
import { type HeaderRules, type RequestHeaders, readRequestHeaders } from './request-headers.ts';

const MAX_CACHED = 8;
/** Maximum length of a cached block. Comparing and keeping a longer block would cost more than decoding it again. */
const MAX_CACHED_BLOCK_BYTES = 512;

/** Fields of the block that is being decoded. All connections share the list, because decoding is synchronous. */
const fields: Field[] = [];

export class HeaderCache {
  readonly #decoder: HpackDecoder;
  readonly #rules: HeaderRules;
  readonly #blocks: Buffer[] = [];
  readonly #requests: RequestHeaders[] = [];
  #version = 0;
  #next = 0;

  constructor(rules: HeaderRules & { hpackTableBytes: number }) {
    this.#rules = rules;
    this.#decoder = new HpackDecoder({
      tableBytes: rules.hpackTableBytes,
      maxListBytes: rules.maxMetadataBytes,
      maxListFields: rules.maxMetadataFields,
    });
  }

  /** Reads the header block of a request. Throws a ConnectionFault if the block is invalid. */
  read(block: Buffer, start: number, end: number): RequestHeaders {
    const table = this.#decoder.table;
    if (this.#version !== table.version) {
      this.#clear(table.version);
    }
    for (let index = 0; index < this.#blocks.length; index += 1) {
      if (isSame(this.#blocks[index] as Buffer, block, start, end)) {
        return this.#requests[index] as RequestHeaders;
      }
    }
    fields.length = 0;
    const isComplete = this.#decoder.decode(block, start, end, fields);
    const request = readRequestHeaders(fields, isComplete, this.#rules);
    if (table.version === this.#version && end - start <= MAX_CACHED_BLOCK_BYTES) {
      this.#add(block, start, end, request);
    }
    return request;
  }

  /** Decodes a block of trailers or of a closed stream. The returned list is valid until the next block is read. */
  readFields(block: Buffer, start: number, end: number): readonly Field[] {
    fields.length = 0;
    this.#decoder.decode(block, start, end, fields);
    return fields;
  }

  #clear(version: number): void {
    this.#blocks.length = 0;
    this.#requests.length = 0;
    this.#next = 0;
    this.#version = version;
  }

  #add(block: Buffer, start: number, end: number, request: RequestHeaders): void {
    this.#blocks[this.#next] = bufferedCopy(block, start, end);
    this.#requests[this.#next] = request;
    this.#next = (this.#next + 1) % MAX_CACHED;
  }
}

/**
 * Compares from the end, because the blocks of one caller usually differ near the end (`grpc-timeout`). A loop is
 * faster than `Buffer.compare` for blocks that are short enough for the cache.
 */
function isSame(cached: Buffer, block: Buffer, start: number, end: number): boolean {
  if (cached.length !== end - start) {
    return false;
  }
  for (let index = cached.length - 1; index >= 0; index -= 1) {
    if (cached[index] !== block[start + index]) {
      return false;
    }
  }
  return true;
}
