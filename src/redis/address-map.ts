/**
 * Maps the addresses that nodes announce to addresses at which this process can reach the nodes. A map is needed if the
 * nodes are behind a NAT, or if the certificates of the nodes do not contain the announced hosts. Pure.
 *
 * Invariants:
 *   1. An entry with a port applies only to its announced host and port, and takes precedence over an entry with the
 *      same host and no port. An entry without a port applies to all other ports of the host.
 *   2. If the reachable address of an entry has no port, the map keeps the announced port.
 *   3. The result of a mapping is not mapped again. An announced address without an entry stays unchanged.
 *   4. The sidecar applies the map when it reads an announced address (from CLUSTER SLOTS, MOVED, ASK, or a Sentinel),
 *      so the sidecar knows a node only by its reachable address. The map does not apply to seeds.
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
   * Port. If an announced address has no port, the entry applies to every port that has no entry of its own. If a
   * reachable address has no port, the map keeps the announced port.
   */
  readonly port: number | undefined;
}

export interface AddressMap {
  /**
   * Reachable addresses. The key is the `addressText` of the announced address, or the host of an address without a
   * port.
   */
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
