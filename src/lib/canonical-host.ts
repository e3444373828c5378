/**
 * One spelling of a host, so that two spellings of it compare as equal: `Redis-0.Example` and `redis-0.example`, `::1` and `0:0:0:0:0:0:0:1`.
 */
import { isIPv6 } from 'node:net';

/** IPv6 addresses are given and returned without brackets. */
export function canonicalHost(host: string): string {
  return isIPv6(host) && !host.includes('%') ? new URL(`redis://[${host}]`).hostname.slice(1, -1) : host.toLowerCase();
}
