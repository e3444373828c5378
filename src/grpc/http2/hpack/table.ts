/**
 * HPACK tables: the static table (RFC 7541, appendix A), and the dynamic table of a connection.
 *
 * Invariants:
 *   1. The size of the dynamic table (RFC 7541, section 4.1) never exceeds `limitBytes`, or a lower maximum that the
 *      peer has chosen.
 *   2. `version` changes whenever an index may refer to a different field than before.
 */
import { FIELD_OVERHEAD_BYTES, Field } from './field.ts';

const STATIC_ROWS =
  ':authority|:method=GET|:method=POST|:path=/|:path=/index.html|:scheme=http|:scheme=https|:status=200|:status=204|' +
  ':status=206|:status=304|:status=400|:status=404|:status=500|accept-charset|accept-encoding=gzip, deflate|' +
  'accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control|' +
  'content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type|' +
  'cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|' +
  'last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|' +
  'server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate';

const STATIC: readonly Field[] = STATIC_ROWS.split('|').map((row) => {
  const [name = '', value = ''] = row.split('=');
  return new Field(name, value);
});

export const STATIC_LENGTH = STATIC.length;

/** Returns the index (from 1) of the first entry with this name in the static table, or 0 if there is none. */
export function staticIndexOf(name: string): number {
  return STATIC.findIndex((field) => field.name === name) + 1;
}

export class HpackTable {
  /** Number of changes. The header cache compares this number to detect outdated entries. */
  version = 0;
  readonly #limitBytes: number;
  readonly #ring: (Field | undefined)[];
  readonly #mask: number;
  #newest = 0;
  #count = 0;
  #bytes = 0;
  #maxBytes: number;

  /** Creates an empty table. `limitBytes` is the SETTINGS_HEADER_TABLE_SIZE that we announce. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
    this.#maxBytes = limitBytes;
    let slots = 1;
    while (slots < limitBytes / FIELD_OVERHEAD_BYTES) {
      slots *= 2;
    }
    this.#ring = new Array<Field | undefined>(slots).fill(undefined);
    this.#mask = slots - 1;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Returns the field at an HPACK index (from 1), or undefined if the index is invalid. */
  at(index: number): Field | undefined {
    if (index <= STATIC_LENGTH) {
      return STATIC[index - 1];
    }
    const back = index - STATIC_LENGTH - 1;
    return back < this.#count ? this.#ring[(this.#newest - back) & this.#mask] : undefined;
  }

  /**
   * Inserts a field and evicts old ones. A field larger than the table only empties the table (RFC 7541, section 4.4).
   */
  insert(field: Field): void {
    this.version += 1;
    this.#evictTo(this.#maxBytes - field.bytes);
    if (field.bytes > this.#maxBytes) {
      return;
    }
    this.#newest = (this.#newest + 1) & this.#mask;
    this.#ring[this.#newest] = field;
    this.#count += 1;
    this.#bytes += field.bytes;
  }

  /** Changes the maximum size. Returns false if the new maximum exceeds the size that we announced. */
  resize(maxBytes: number): boolean {
    if (maxBytes > this.#limitBytes) {
      return false;
    }
    this.version += 1;
    this.#maxBytes = maxBytes;
    this.#evictTo(maxBytes);
    return true;
  }

  #evictTo(bytes: number): void {
    while (this.#bytes > bytes && this.#count > 0) {
      const slot = (this.#newest - this.#count + 1) & this.#mask;
      this.#bytes -= this.#ring[slot]?.bytes ?? 0;
      this.#ring[slot] = undefined;
      this.#count -= 1;
    }
  }
}
