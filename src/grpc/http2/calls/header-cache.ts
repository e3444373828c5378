/**
 * Header block to request head, for one connection.
 *
 * Callers repeat themselves: while the dynamic table stays as it is, the same bytes mean the same head, so the last few
 * blocks are kept and looked up by their bytes.
 */

import { HpackDecoder } from '../hpack/decoder.ts';
import type { Field } from '../hpack/field.ts';
import { bufferedCopy } from '../limits/buffered-memory.ts';
import { type HeaderRules, type RequestHeaders, readRequestHeaders } from './request-headers.ts';

const MAX_KEPT = 8;
/** A longer block costs more to compare and to keep than it is worth. */
const MAX_KEPT_BLOCK_BYTES = 512;

/** Shared by all connections: decoding is synchronous. */
const fields: Field[] = [];

export class HeaderCache {
  readonly #decoder: HpackDecoder;
  readonly #rules: HeaderRules;
  readonly #blocks: Buffer[] = [];
  readonly #heads: RequestHeaders[] = [];
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

  /** The block of a request. Throws a ConnectionFault. */
  read(block: Buffer, start: number, end: number): RequestHeaders {
    const table = this.#decoder.table;
    if (this.#version !== table.version) {
      this.#forget(table.version);
    }
    for (let index = 0; index < this.#blocks.length; index += 1) {
      if (isSame(this.#blocks[index] as Buffer, block, start, end)) {
        return this.#heads[index] as RequestHeaders;
      }
    }
    fields.length = 0;
    const isComplete = this.#decoder.decode(block, start, end, fields);
    const head = readRequestHeaders(fields, isComplete, this.#rules);
    if (table.version === this.#version && end - start <= MAX_KEPT_BLOCK_BYTES) {
      this.#keep(block, start, end, head);
    }
    return head;
  }

  /** The block of trailers, or of a stream that is closed. The list is good until the next block is read. */
  readFields(block: Buffer, start: number, end: number): readonly Field[] {
    fields.length = 0;
    this.#decoder.decode(block, start, end, fields);
    return fields;
  }

  #forget(version: number): void {
    this.#blocks.length = 0;
    this.#heads.length = 0;
    this.#next = 0;
    this.#version = version;
  }

  #keep(block: Buffer, start: number, end: number, head: RequestHeaders): void {
    this.#blocks[this.#next] = bufferedCopy(block, start, end);
    this.#heads[this.#next] = head;
    this.#next = (this.#next + 1) % MAX_KEPT;
  }
}

/** From the end: the blocks of one caller differ there (its timeout). A loop beats the call into the engine here. */
function isSame(kept: Buffer, block: Buffer, start: number, end: number): boolean {
  if (kept.length !== end - start) {
    return false;
  }
  for (let index = kept.length - 1; index >= 0; index -= 1) {
    if (kept[index] !== block[start + index]) {
      return false;
    }
  }
  return true;
}
