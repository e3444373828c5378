/**
 * Normalizes hosts, so that different spellings compare as equal: `Redis-0.Example` and `redis-0.example`, `::1` and
 * `0:0:0:0:0:0:0:1`.
 */
import { isIPv6 } from 'node:net';

/** Returns the normalized host. IPv6 addresses have no brackets in the argument or in the result. */
export function canonicalHost(host: string): string {
  return isIPv6(host) && !host.includes('%') ? new URL(`redis://[${host}]`).hostname.slice(1, -1) : host.toLowerCase();
}
