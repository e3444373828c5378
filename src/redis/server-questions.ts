/**
 * Reads what one server reports about itself (server-report.ts), over an existing connection or a separate one.
 *
 * Invariants:
 *   1. If any member of the deployment is connected to a master, the report of the master is read over that connection,
 *      within the command timeout.
 *   2. The report of every other server is read over a separate connection, within the connect timeout for each step.
 *      The connection is closed after the query. If `isKept` is true, the connection stays open for up to 30 s instead,
 *      because the sidecar would otherwise log in again for each read, every 5 s.
 *   3. If a connected master reports that it is now a replica, the connections to this server are dropped, because its
 *      host name may now resolve to the new master.
 */
import { addressText, type NodeAddress } from './address.ts';
import { type OpenClient, openClient } from './client.ts';
import type { NodeTable, RedisNode } from './node-table.ts';
import type { RedisOptions } from './options.ts';
import { readServerReport, type ServerReport } from './server-report.ts';

const MAX_KEPT_MS = 30_000;

interface KeptClient {
  readonly client: OpenClient;
  readonly openedAtMs: number;
}

export class ServerQuestions {
  readonly #redis: RedisOptions;
  readonly #tables: () => Iterable<NodeTable>;
  readonly #kept = new Map<string, KeptClient>();
  #isClosed = false;

  constructor(redis: RedisOptions, tables: () => Iterable<NodeTable>) {
    this.#redis = redis;
    this.#tables = tables;
  }

  /** Reads the report. Rejects if the server does not answer in time or cannot be used. */
  async ask(address: NodeAddress, isKept: boolean): Promise<ServerReport> {
    const nodes = this.#nodesAt(addressText(address));
    const ready = nodes.find((node) => node.isReady);
    if (ready === undefined) {
      return await this.#askApart(address, isKept);
    }
    const { addressMap, clock, commandTimeoutMs } = this.#redis;
    const deadlineAtMs = clock.monotonicMs() + commandTimeoutMs;
    const report = await readServerReport((command) => ready.ask(command, deadlineAtMs), address, addressMap);
    if (report.kind === 'standalone' && report.role === 'replica') {
      for (const node of nodes) {
        node.drop('demoted');
      }
    }
    return report;
  }

  close(): void {
    this.#isClosed = true;
    for (const { client } of this.#kept.values()) {
      client.destroy();
    }
    this.#kept.clear();
  }

  #nodesAt(name: string): RedisNode[] {
    return [...this.#tables()].map((table) => table.get(name)).filter((node) => node !== undefined);
  }

  async #askApart(address: NodeAddress, isKept: boolean): Promise<ServerReport> {
    const name = addressText(address);
    const client = this.#takeKept(name) ?? (await this.#open(address));
    const late = setTimeout(() => client.destroy(), this.#redis.connectTimeoutMs);
    let isAnswered = false;
    try {
      const report = await readServerReport((command) => client.send(command), address, this.#redis.addressMap);
      isAnswered = true;
      return report;
    } finally {
      clearTimeout(late);
      if (!isAnswered || !isKept || this.#isClosed) {
        this.#kept.delete(name);
        client.destroy();
      }
    }
  }

  #takeKept(name: string): OpenClient | undefined {
    const kept = this.#kept.get(name);
    if (kept === undefined || this.#redis.clock.monotonicMs() - kept.openedAtMs < MAX_KEPT_MS) {
      return kept?.client;
    }
    this.#kept.delete(name);
    kept.client.destroy();
    return undefined;
  }

  async #open(address: NodeAddress): Promise<OpenClient> {
    const name = addressText(address);
    const opened = await openClient(address, this.#redis, {
      onLost: () => {
        if (this.#kept.get(name)?.client === opened) {
          this.#kept.delete(name);
        }
      },
    });
    this.#kept.set(name, { client: opened, openedAtMs: this.#redis.clock.monotonicMs() });
    return opened;
  }
}
