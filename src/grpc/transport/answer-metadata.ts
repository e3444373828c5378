/**
 * What metadata of an answer may be, for every transport.
 *
 * Source: gRPC over HTTP/2, "Custom-Metadata": lower-case keys, printable ASCII, bytes in base64 behind keys that end in -bin;
 * `grpc-` is the protocol's own.
 */
import type { MetadataEntry } from '../method.ts';

const KEY = /^[0-9a-z_.-]{1,64}$/;
/** Blanks at its ends would be lost, or the field with them (RFC 9113, section 8.2.1). */
const TEXT = /^(?! )[\x20-\x7e]*(?<! )$/;
/** What HTTP/2 forbids in an answer, or the transport itself writes. */
const RESERVED: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'te',
  'content-type',
  'content-length',
]);
/** Names, values and 32 bytes each: what every client takes besides the rest of an answer. */
const MAX_METADATA_BYTES = 8_192;
const ENTRY_OVERHEAD_BYTES = 32;

/** The entries as header fields. Throws a TypeError. */
export function metadataFields(entries: readonly MetadataEntry[]): readonly (readonly [string, string])[] {
  let bytes = 0;
  return entries.map(([key, value]) => {
    const isBinary = key.endsWith('-bin');
    const isReserved = key.startsWith('grpc-') || RESERVED.has(key);
    if (!KEY.test(key) || isReserved || isBinary !== Buffer.isBuffer(value)) {
      throw new TypeError(`cannot send metadata: key ${JSON.stringify(key)} is not allowed with such a value`);
    }
    // Without padding, which some clients do not read.
    const text = Buffer.isBuffer(value) ? value.toString('base64').replace(/=+$/, '') : value;
    if (!TEXT.test(text)) {
      throw new TypeError(
        `cannot send metadata: the value of ${key} is not printable ASCII without blanks at its ends, wanted that or a -bin key`,
      );
    }
    bytes += key.length + text.length + ENTRY_OVERHEAD_BYTES;
    if (bytes > MAX_METADATA_BYTES) {
      throw new TypeError(`cannot send metadata: more than ${MAX_METADATA_BYTES} bytes, wanted less`);
    }
    return [key, text];
  });
}
