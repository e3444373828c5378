/**
 * Chooses the Cluster nodes from which a refresh reads the topology.
 *
 * Invariants:
 *   1. If at least two masters are connected, each refresh reads two of them in turn. So one frozen master does not
 *      delay the refresh.
 *   2. If fewer masters are connected, the refresh also reads seeds and known nodes in turn, so that it reads two
 *      servers in total. During a long outage, each refresh reads all seeds and known nodes, up to a bound, because
 *      most of them may no longer exist.
 */
import type { NodeAddress } from './address.ts';

const ASKED_AT_ONCE = 2;
/** Maximum number of seeds, and of other servers, that one refresh reads during a long outage. */
const MAX_ASKED = 16;

type Addresses = ReadonlyMap<string, NodeAddress>;

export interface Candidates {
  readonly connected: Addresses;
  /** Masters and replicas of the last topology. */
  readonly known: Addresses;
  readonly seeds: Addresses;
  readonly isLongTrouble: boolean;
}

export class ServerTurns {
  #turn = Math.floor(Math.random() * 1_000);
  /** Position, in the list of servers that are not connected, of the server that the next refresh reads first. */
  #otherTurn = Math.floor(Math.random() * 1_000);

  next({ connected, known, seeds, isLongTrouble }: Candidates): Map<string, NodeAddress> {
    this.#turn += 1;
    const chosen = new Map(rotate([...connected], this.#turn).slice(0, ASKED_AT_ONCE));
    if (chosen.size === ASKED_AT_ONCE) {
      return chosen;
    }
    const others = [...new Map([...known, ...seeds])].filter(([name]) => !chosen.has(name));
    const count = isLongTrouble ? MAX_ASKED : ASKED_AT_ONCE - chosen.size;
    const next = rotate(others, this.#otherTurn).slice(0, count);
    this.#otherTurn += count;
    const allSeeds = isLongTrouble ? [...seeds].slice(0, MAX_ASKED) : [];
    return new Map([...chosen, ...next, ...allSeeds]);
  }
}

function rotate<Item>(items: readonly Item[], turn: number): Item[] {
  const start = items.length === 0 ? 0 : turn % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
