/**
 * Maps the addresses that nodes announce to addresses where they can be reached, for nodes behind a NAT or whose
 * certificates name other hosts. Pure.
 *
 * Invariants:
 *   1. An entry with a port applies only to that address. It takes precedence over the entry of its host without a
 *      port, which applies to all other ports.
 *   2. A target without a port keeps the announced port.
 *   3. A target is not mapped again. An address without an entry is used as announced.
 *   4. The map is applied where an announcement is read (CLUSTER SLOTS, MOVED, ASK, Sentinels), so the reachable
 *      address of a node is its only name. Seeds are not announcements.
 */
import { canonicalHost } from '../lib/canonical-host.ts';
import { addressText, type NodeAddress } from './address.ts';

export interface AddressMapping {
  readonly announced: PartialAddress;
  readonly reachable: PartialAddress;
}

interface PartialAddress {
  readonly host: string;
  /** Port. If undefined, it means every port of an announced host, or the announced port in a target. */
  readonly port: number | undefined;
}

export interface AddressMap {
  /** Targets by `addressText`, or by host for entries without a port. */
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
