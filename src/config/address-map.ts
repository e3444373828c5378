/**
 * Parses PANNIER_REDIS_ADDRESS_MAP: `ANNOUNCED=REACHABLE` entries separated by commas. Performs no I/O.
 *
 * Each side is `HOST` or `HOST:PORT`; an IPv6 address must be in brackets. The module redis/address-map.ts applies the
 * entries.
 *
 * Invariants:
 *   1. An error text contains the index of the invalid entry, the entry itself and the accepted form.
 *   2. No two entries have the same announced address.
 */
import { isIP, isIPv6 } from 'node:net';
import { canonicalHost } from '../lib/canonical-host.ts';

interface MappedAddress {
  readonly host: string;
  readonly port: number | undefined;
}

export interface AddressMapEntry {
  readonly announced: MappedAddress;
  readonly reachable: MappedAddress;
}

export type AddressMapResult =
  | { readonly mappings: readonly AddressMapEntry[] }
  /** Error text that follows the name of the setting: ` must have …` or `[2] must be …`. */
  | { readonly problem: string };

export const ADDRESS_MAP_FORM =
  'ANNOUNCED=REACHABLE or several of them separated by commas, each side HOST or HOST:PORT with an IPv6 address in brackets';
const ENTRY_FORM =
  'ANNOUNCED=REACHABLE, each side HOST or HOST:PORT (an IPv6 address in brackets, a port from 1 to 65535)';
const MAX_MAPPINGS = 1_000;

export function parseAddressMap(text: string): AddressMapResult {
  const entries = text.split(',').map((entry) => entry.trim());
  if (entries.length > MAX_MAPPINGS) {
    return { problem: ` must have at most ${MAX_MAPPINGS} entries, got ${entries.length}` };
  }
  const mappings = new Map<string, AddressMapEntry>();
  for (const [index, entry] of entries.entries()) {
    const mapping = parseMapping(entry);
    if (mapping === undefined) {
      return { problem: `[${index}] must be ${ENTRY_FORM}, got ${JSON.stringify(entry)}` };
    }
    const key = JSON.stringify([mapping.announced.host, mapping.announced.port]);
    if (mappings.has(key)) {
      const announced = JSON.stringify(entry.slice(0, entry.indexOf('=')));
      return { problem: `[${index}] must be the only entry of its announced address, got ${announced} again` };
    }
    mappings.set(key, mapping);
  }
  return { mappings: [...mappings.values()] };
}

/**
 * Returns whether the text is a host name that is valid in a certificate and as the SNI of TLS. An IP address is not a
 * host name.
 */
export function isHostName(text: string): boolean {
  const label = /^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?$/;
  const labels = text.split('.');
  // A text whose last label is a number is a valid or misspelled IPv4 address.
  return text.length <= 253 && labels.every((part) => label.test(part)) && !/^\d+$/.test(labels.at(-1) ?? '');
}

function parseMapping(entry: string): AddressMapEntry | undefined {
  const [announced, reachable, ...more] = entry.split('=').map(parseMappedAddress);
  return announced === undefined || reachable === undefined || more.length > 0 ? undefined : { announced, reachable };
}

function parseMappedAddress(text: string): MappedAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/.exec(text.trim());
  const [, address, name, digits] = match ?? [];
  const port = digits === undefined ? undefined : Number(digits);
  const isHost = address === undefined ? isIP(name ?? '') === 4 || isHostName(name ?? '') : isIPv6(address);
  const isPort = port === undefined || (port >= 1 && port <= 65_535);
  return isHost && isPort ? { host: canonicalHost(address ?? name ?? ''), port } : undefined;
}
