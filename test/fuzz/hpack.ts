/**
 * Fuzzes the HPACK decoder with literals, indexes, size updates and random bytes.
 *
 * Invariants:
 *   1. The decoder returns the same result as a simple decoder (reference-hpack.ts) for every block.
 *   2. The decoder throws nothing but a ConnectionFault with COMPRESSION_ERROR.
 *   3. The entries of the dynamic table have the total size that the table reports, and never exceed its maximum size.
 *   4. A header list above its limit changes the dynamic table like any other list.
 */

import { ConnectionFault, ErrorCode } from '../../src/grpc/http2/frames/protocol.ts';
import { HpackDecoder } from '../../src/grpc/http2/hpack/decoder.ts';
import type { Field } from '../../src/grpc/http2/hpack/field.ts';
import { HpackTable, STATIC_LENGTH } from '../../src/grpc/http2/hpack/table.ts';
import { Indexing, indexed, integer, literal, tableSizeUpdate } from '../support/http2/frames.ts';
import { huffmanEncode } from '../support/http2/huffman.ts';
import type { FastRandom } from '../support/http2/random.ts';
import { mutate } from './mutate.ts';
import { InvalidBlock, ReferenceDecoder, type ReferenceField } from './reference-hpack.ts';
import { ensure, type FuzzTarget } from './target.ts';

const NAMES = ['a', 'bb', ':path', 'content-type', 'x-long-name-of-a-header', ''];
const TABLE_SIZES = [0, 40, 100, 300, 4_096];
const MAX_LIST_BYTES = 1_000_000;
const STATIC = staticTable();

export const hpackTarget: FuzzTarget = {
  name: 'hpack',
  share: 28,
  run: (random) => {
    const tableBytes = random.pick(TABLE_SIZES);
    // In some runs, the limit is so low that some header lists exceed it.
    const maxListBytes = random.once(4) ? random.below(300) : MAX_LIST_BYTES;
    const decoder = new HpackDecoder({ tableBytes, maxListBytes, maxListFields: random.once(8) ? 3 : MAX_LIST_BYTES });
    const reference = new ReferenceDecoder(STATIC, tableBytes);
    for (let blocks = 1 + random.below(4); blocks > 0; blocks -= 1) {
      if (!step(decoder, reference, randomBlock(random), tableBytes)) {
        return undefined;
      }
    }
    return undefined;
  },
};

/**
 * Decodes a block with both decoders. Returns false if both decoders reject the block, which would end a connection.
 */
function step(decoder: HpackDecoder, reference: ReferenceDecoder, block: Buffer, tableBytes: number): boolean {
  const fields: Field[] = [];
  const found = resultOf(() => decoder.decode(block, 0, block.length, fields));
  const expected = resultOf(() => reference.decode(block));
  const context = (): unknown => ({
    block: block.toString('hex'),
    tableBytes,
    fields,
    found,
    expected,
    table: reference.table,
  });
  ensure((found === undefined) === (expected === undefined), 'only one decoder accepts the block', context);
  if (found === undefined || expected === undefined) {
    return false;
  }
  const isPrefix = fields.every((field, index) => isSame(field, expected[index]));
  ensure(isPrefix && (fields.length === expected.length) === found, 'the header lists differ', context);
  const { table } = decoder;
  const isTableSame = reference.table.every((field, index) => isSame(table.at(STATIC_LENGTH + 1 + index), field));
  ensure(
    isTableSame && table.at(STATIC_LENGTH + 1 + reference.table.length) === undefined,
    'the dynamic tables differ',
    context,
  );
  ensure(table.bytes === reference.tableBytes, 'the dynamic table reports a wrong size', context);
  ensure(table.bytes <= tableBytes, 'the dynamic table exceeds its maximum size', context);
  return true;
}

/** Returns the result, or undefined if `decode` throws a COMPRESSION_ERROR fault or InvalidBlock. */
function resultOf<Result>(decode: () => Result): Result | undefined {
  try {
    return decode();
  } catch (error) {
    const isRefusal = error instanceof ConnectionFault && error.code === ErrorCode.compression;
    if (!isRefusal && !(error instanceof InvalidBlock)) {
      throw error;
    }
    return undefined;
  }
}

function isSame(field: Field | undefined, expected: ReferenceField | undefined): boolean {
  return field !== undefined && expected !== undefined && field.name === expected[0] && field.value === expected[1];
}

function randomBlock(random: FastRandom): Buffer {
  if (random.once(8)) {
    return random.bytes(random.below(40));
  }
  const parts: Buffer[] = [];
  if (random.once(5)) {
    parts.push(tableSizeUpdate(random.below(random.pick([50, 400, 4_200]))));
  }
  for (let left = random.below(6); left > 0; left -= 1) {
    parts.push(randomField(random));
  }
  const block = Buffer.concat(parts);
  return random.once(3) ? mutate(block, random, 2) : block;
}

function randomField(random: FastRandom): Buffer {
  const indexing = random.pick([Indexing.none, Indexing.never, Indexing.incremental, Indexing.incremental]);
  const prefixBits = indexing === Indexing.incremental ? 6 : 4;
  switch (random.below(4)) {
    case 0:
      return indexed(1 + random.below(random.pick([61, 66, 80])));
    case 1:
      return Buffer.concat([integer(1 + random.below(66), prefixBits, indexing), randomText(random)]);
    case 2:
      return Buffer.concat([Buffer.from([indexing]), randomText(random), randomText(random)]);
    default:
      return literal(random.pick(NAMES), 'v'.repeat(random.below(random.once(20) ? 400 : 10)), indexing);
  }
}

function randomText(random: FastRandom): Buffer {
  const bytes = random.bytes(random.below(12));
  const encoded = random.once(2) ? huffmanEncode(bytes) : bytes;
  return Buffer.concat([integer(encoded.length, 7, encoded === bytes ? 0 : 0x80), encoded]);
}

function staticTable(): ReferenceField[] {
  const table = new HpackTable(0);
  return Array.from({ length: STATIC_LENGTH }, (_, index) => {
    const field = table.at(index + 1);
    return [field?.name ?? '', field?.value ?? ''];
  });
}
