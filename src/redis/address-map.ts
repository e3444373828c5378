/**
 * Maps the addresses that nodes announce to addresses where this process can reach the nodes. A map is needed if the
 * nodes are behind a NAT, or if the certificates of the nodes do not contain the announced hosts. Pure.
 *
 * Invariants:
 *   1. An entry with a port applies only to that host and port. Such an entry takes precedence over an entry with the
 *      same host and no port. An entry without a port applies to all other ports of the host.
 *   2. If a target has no port, the announced port is used.
 *   3. A target is not mapped again. If the map has no entry for an announced address, the address itself is used.
 *   4. The map is applied where an announcement is read (CLUSTER SLOTS, MOVED, ASK, Sentinels), so a node is known only
 *      by its reachable address. The map does not apply to seeds.
 */
import { canonicalHost } from '../lib/canonical-host.ts';
import { addressText, type NodeAddress } from './address.ts';

export interface AddressMapping {
  readonly announced: PartialAddress;
  readonly reachable: PartialAddress;
}

interface PartialAddress {
  readonly host: string;
  /**
   * Port. If undefined in an announced address, the entry applies to every port. If undefined in a target, the
   * announced port is used.
   */
  readonly port: number | undefined;
}

export interface AddressMap {
  /** Targets by the `addressText` of the announced address, or by its host if the entry has no port. */
  readonly targets: ReadonlyMap<string, PartialAddress>;
  readonly targetHosts: ReadonlySet<string>;
}

export const NO_ADDRESS_MAP: AddressMap = createAddressMap([]);

export function createAddressMap(mappings: readonly AddressMapping[]): AddressMap {
  const targets = mappings.map(({ announced, reachable }) => [keyOf(announced), reachable] as const);
  return { targets: new Map(targets), targetHosts: new Set(mappings.map(({ reachable }) => reachable.host)) };
}

export function reachableAddress(map: AddressMap, announced: NodeAddress): NodeAddress {
  if (map.targets.size === 0) {
    return announced;
  }
  const host = canonicalHost(announced.host);
  const target = map.targets.get(keyOf({ host, port: announced.port })) ?? map.targets.get(host);
  return target === undefined ? announced : { host: target.host, port: target.port ?? announced.port };
}

function keyOf({ host, port }: PartialAddress): string {
  return port === undefined ? canonicalHost(host) : addressText({ host: canonicalHost(host), port });
}
