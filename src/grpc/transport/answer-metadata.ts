/**
 * Checks the metadata of a response and converts it to header fields, for all transports.
 *
 * Source: gRPC over HTTP/2, "Custom-Metadata". Keys are in lower case. Values are printable ASCII, or base64 if the key
 * ends in -bin. Keys that begin with `grpc-` are reserved.
 */
import type { MetadataEntry } from '../method.ts';

const KEY = /^[0-9a-z_.-]{1,64}$/;
/**
 * Printable ASCII without leading or trailing spaces, because HTTP/2 implementations reject or strip such spaces (RFC
 * 9113, section 8.2.1).
 */
const TEXT = /^(?! )[\x20-\x7e]*(?<! )$/;
/** Keys that HTTP/2 forbids in a response, or that the transport itself sends. */
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
/**
 * Maximum size of all entries (names, values and 32 bytes each), which every client accepts in addition to our own
 * headers.
 */
const MAX_METADATA_BYTES = 8_192;
const ENTRY_OVERHEAD_BYTES = 32;

/** Returns the entries as header fields. Throws a TypeError if an entry is invalid. */
export function metadataFields(entries: readonly MetadataEntry[]): readonly (readonly [string, string])[] {
  let bytes = 0;
  return entries.map(([key, value]) => {
    const isBinary = key.endsWith('-bin');
    const isReserved = key.startsWith('grpc-') || RESERVED.has(key);
    if (!KEY.test(key) || isReserved || isBinary !== Buffer.isBuffer(value)) {
      throw new TypeError(
        `cannot send metadata: key ${JSON.stringify(key)} is invalid or reserved, or does not fit the type of its value`,
      );
    }
    // Some clients do not accept base64 with padding.
    const text = Buffer.isBuffer(value) ? value.toString('base64').replace(/=+$/, '') : value;
    if (!TEXT.test(text)) {
      throw new TypeError(
        `cannot send metadata: the value of ${key} is not printable ASCII or has spaces at its ends; use a -bin key`,
      );
    }
    bytes += key.length + text.length + ENTRY_OVERHEAD_BYTES;
    if (bytes > MAX_METADATA_BYTES) {
      throw new TypeError(`cannot send metadata: it has more than ${MAX_METADATA_BYTES} bytes; send less metadata`);
    }
    return [key, text];
  });
}
