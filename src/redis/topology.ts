/**
 * Maps slots to masters. A topology is parsed from one reply to CLUSTER SLOTS, and MOVED replies correct it. No I/O.
 *
 * The topology of a standalone server has one master for all slots.
 */
import calculateSlot from 'cluster-key-slot';
import { addressText, type NodeAddress } from './address.ts';
import { type AddressMap, NO_ADDRESS_MAP, reachableAddress } from './address-map.ts';

export const SLOT_COUNT = 16_384;
/**
 * Maximum number of candidate hash tags. If a master owns 100 slots, the probability that no candidate is in one of
 * these slots is 1 in 200,000.
 */
const MAX_HASH_TAGS = 2_000;

export class Topology {
  /** Master of each slot as `addressText`; undefined if no node serves the slot. */
  readonly #owners: (string | undefined)[];
  readonly #masters = new Map<string, NodeAddress>();
  readonly #replicas = new Map<string, NodeAddress>();
  readonly #nodeIds = new Set<string>();
  readonly #isStandalone: boolean;
  #isWhole: boolean;

  private constructor(owners: (string | undefined)[], isStandalone: boolean) {
    this.#owners = owners;
    this.#isStandalone = isStandalone;
    this.#isWhole = isStandalone;
  }

  static empty(): Topology {
    return new Topology(new Array<string | undefined>(SLOT_COUNT).fill(undefined), false);
  }

  static standalone(master: NodeAddress): Topology {
    const topology = new Topology(new Array<string | undefined>(SLOT_COUNT).fill(addressText(master)), true);
    topology.#masters.set(addressText(master), master);
    return topology;
  }

  /**
   * Parses the reply to CLUSTER SLOTS: `[first, last, [host, port, id, ...], replicas...]...`. A null or empty host
   * means the host that was queried (`cluster-preferred-endpoint-type unknown-endpoint`). The host is `?` if the node
   * should announce a host name but has none. In that case, the metadata after the node id contains the address. The
   * address map is applied to all nodes.
   */
  static fromClusterSlots(reply: unknown, askedHost: string, addressMap: AddressMap = NO_ADDRESS_MAP): Topology {
    const topology = Topology.empty();
    const addressOf = (node: unknown): NodeAddress => reachableAddress(addressMap, asAddress(node, askedHost));
    for (const range of asArray(reply)) {
      const [first, last, master, ...replicas] = asArray(range);
      const masterAddress = addressOf(master);
      topology.#masters.set(addressText(masterAddress), masterAddress);
      topology.#addNodeId(master);
      topology.#owners.fill(addressText(masterAddress), Number(first), Number(last) + 1);
      for (const replica of replicas) {
        const address = addressOf(replica);
        topology.#replicas.set(addressText(address), address);
        topology.#addNodeId(replica);
      }
    }
    topology.#isWhole = !topology.#owners.includes(undefined);
    return topology;
  }

  /** Whether the topology is that of a standalone server, which owns all slots. */
  get isStandalone(): boolean {
    return this.#isStandalone;
  }

  /** Returns an independent copy. A MOVED reply that changes one copy does not affect the other. */
  copy(): Topology {
    const copy = new Topology([...this.#owners], this.#isStandalone);
    copy.#isWhole = this.#isWhole;
    for (const [name, address] of this.#masters) {
      copy.#masters.set(name, address);
    }
    for (const [name, address] of this.#replicas) {
      copy.#replicas.set(name, address);
    }
    for (const id of this.#nodeIds) {
      copy.#nodeIds.add(id);
    }
    return copy;
  }

  /** Returns the slot of a key. With a single server, any slot is correct, so the key need not be hashed. */
  slotOf(key: string | Buffer): number {
    return this.#isStandalone ? 0 : calculateSlot(key);
  }

  /** Returns the master of a slot as `addressText`. */
  ownerOf(slot: number): string | undefined {
    return this.#owners[slot];
  }

  /**
   * Returns a hash tag in a slot of this master. If the master owns so few slots that no tag is found, returns a tag in
   * a slot of another master.
   */
  hashTagOf(name: string): string {
    const isOwn = (tag: string): boolean => this.ownerOf(this.slotOf(`{${tag}}`)) === name;
    const tags = Array.from({ length: MAX_HASH_TAGS }, (_, index) => `probe${index}`);
    return tags.find(isOwn) ?? 'probe0';
  }

  masters(): ReadonlyMap<string, NodeAddress> {
    return this.#masters;
  }

  /** Returns masters and replicas. */
  nodes(): ReadonlyMap<string, NodeAddress> {
    return new Map([...this.#replicas, ...this.#masters]);
  }

  /**
   * Returns the ids of masters and replicas. The id of a node stays the same when the address changes. The nodes of
   * another Cluster have other ids.
   */
  nodeIds(): ReadonlySet<string> {
    return this.#nodeIds;
  }

  /** Assigns one slot to the master that a MOVED reply named. */
  assign(slot: number, master: NodeAddress): void {
    this.#owners[slot] = addressText(master);
    this.#masters.set(addressText(master), master);
  }

  /** Whether every slot has a master. While a Cluster is being created, each node reports only its own slots. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  get isEmpty(): boolean {
    return this.#masters.size === 0;
  }

  #addNodeId(node: unknown): void {
    const id = asArray(node)[2];
    if (id !== undefined && id !== null) {
      this.#nodeIds.add(String(id));
    }
  }
}

function asArray(value: unknown): unknown[] {
  if (!Array.isArray(value)) {
    throw new TypeError('cannot read the cluster topology: the reply to CLUSTER SLOTS must consist of arrays');
  }
  return value;
}

function asAddress(value: unknown, askedHost: string): NodeAddress {
  const [host, port, , more] = asArray(value);
  const text = host === null || host === undefined ? '' : String(host);
  return { host: text === '?' ? ipOf(more, askedHost) : text === '' ? askedHost : text, port: Number(port) };
}

function ipOf(more: unknown, askedHost: string): string {
  const ip = typeof more === 'object' && more !== null && 'ip' in more ? String(more.ip) : '';
  return ip === '' ? askedHost : ip;
}
