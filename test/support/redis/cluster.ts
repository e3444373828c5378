/**
 * Creates a real Redis Cluster for a test. The nodes receive CLUSTER commands directly, so redis-cli is not needed.
 */
import { randomUUID } from 'node:crypto';
import calculateSlot from 'cluster-key-slot';
import { waitFor } from '../wait.ts';
import type { RedisBus } from './bus-proxy.ts';
import { freePort, type RedisNode, type RedisServerOptions, startRedis } from './server.ts';

export interface RedisCluster {
  /**
   * Nodes of the Cluster. The first `masters` nodes start as masters. The other nodes start as replicas of these
   * masters, in the same order.
   */
  readonly nodes: readonly RedisNode[];
  /** URLs of all seeds, comma-separated. */
  readonly urls: string;
  /** Returns the initial masters. */
  masters(): readonly RedisNode[];
  /** Returns the initial master of a key's slot. */
  masterOf(key: string | Buffer): RedisNode;
  /** Returns the initial replica of this master. */
  replicaOf(master: RedisNode): RedisNode;
  waitUntilHealthy(): Promise<void>;
  stop(): Promise<void>;
}

export interface ClusterOptions extends RedisServerOptions {
  masters?: number;
  replicas?: number;
  nodeTimeoutMs?: number;
  /** Proxies for the cluster bus of the nodes. */
  bus?: RedisBus;
}

const SLOT_COUNT = 16_384;

export async function startCluster(options: ClusterOptions = {}): Promise<RedisCluster> {
  const masterCount = options.masters ?? 3;
  const replicaCount = options.replicas ?? 3;
  const nodeOptions: RedisServerOptions = {
    ...options,
    args: [
      ...['--cluster-enabled', 'yes', '--cluster-node-timeout', String(options.nodeTimeoutMs ?? 2_000)],
      // By default, all nodes of a Cluster answer CLUSTERDOWN while one shard has no master (docs/operations/redis.md).
      ...['--cluster-require-full-coverage', 'no'],
      ...(options.args ?? []),
    ],
  };
  const nodes = await Promise.all(
    Array.from({ length: masterCount + replicaCount }, (_, index) => startClusterNode(nodeOptions, index, options.bus)),
  );
  const masters = nodes.slice(0, masterCount);
  const firstSlots = Array.from({ length: masterCount + 1 }, (_, index) =>
    Math.floor((index * SLOT_COUNT) / masterCount),
  );
  await meet(nodes);
  for (const [index, master] of masters.entries()) {
    await master.command(
      'CLUSTER',
      'ADDSLOTSRANGE',
      String(firstSlots[index]),
      String((firstSlots[index + 1] ?? 0) - 1),
    );
  }
  await waitFor('every node knowing all', async () => {
    const infos = await Promise.all(nodes.map((node) => node.command('CLUSTER', 'INFO')));
    return infos.every((info) => String(info).includes(`cluster_known_nodes:${nodes.length}`));
  });
  for (const [index, replica] of nodes.slice(masterCount).entries()) {
    const master = masters[index % masterCount] as RedisNode;
    const id = String(await master.command('CLUSTER', 'MYID'));
    await waitFor('a replica', async () => (await replica.command('CLUSTER', 'REPLICATE', id)) === 'OK');
  }
  const cluster: RedisCluster = {
    nodes,
    urls: nodes.map((node) => node.url).join(','),
    masters: () => masters,
    masterOf: (key) => {
      const slot = calculateSlot(key);
      const index = firstSlots.findIndex((first, at) => slot >= first && slot < (firstSlots[at + 1] ?? SLOT_COUNT));
      return masters[index] as RedisNode;
    },
    replicaOf: (master) => nodes[masterCount + masters.indexOf(master)] as RedisNode,
    waitUntilHealthy: () => waitUntilHealthy(nodes, replicaCount),
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
  await cluster.waitUntilHealthy();
  await waitUntilLed(nodes, options.bus);
  return cluster;
}

/** Starts a node with a separate cluster configuration file. */
async function startClusterNode(options: RedisServerOptions, index: number, bus?: RedisBus): Promise<RedisNode> {
  const configFile = `nodes-${randomUUID()}.conf`;
  const args = [...(options.args ?? []), '--cluster-config-file', configFile];
  if (bus === undefined) {
    return await startRedis({ ...options, args });
  }
  const port = await freePort();
  bus.lead(index, port);
  return await startRedis({ ...options, args: [...args, ...bus.argsOf(index)], port });
}

/** Waits until each node knows the proxy port of every other node and is connected to that port. */
async function waitUntilLed(nodes: readonly RedisNode[], bus: RedisBus | undefined): Promise<void> {
  await waitFor('every node reached through its proxy', async () => {
    const lists = bus === undefined ? [] : await Promise.all(nodes.map((node) => node.command('CLUSTER', 'NODES')));
    return lists.every((list) =>
      nodes.every(({ port }, index) => {
        const line = String(list)
          .split('\n')
          .find((candidate) => candidate.includes(`:${port}@${bus?.portOf(index)}`));
        return line?.includes(' connected') === true;
      }),
    );
  });
}

async function meet(nodes: readonly RedisNode[]): Promise<void> {
  const [first, ...others] = nodes;
  for (const [index, node] of nodes.entries()) {
    await node.command('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
  }
  for (const node of others) {
    await node.command('CLUSTER', 'MEET', '127.0.0.1', String(first?.port));
  }
}

async function waitUntilHealthy(nodes: readonly RedisNode[], replicaCount: number): Promise<void> {
  await waitFor(
    'a healthy cluster',
    async () => {
      for (const node of nodes) {
        const info = String(await node.command('CLUSTER', 'INFO'));
        const list = String(await node.command('CLUSTER', 'NODES'));
        const replicas = list.split('\n').filter((line) => line.includes('slave') && line.includes('connected')).length;
        if (!info.includes('cluster_state:ok') || replicas < replicaCount) {
          return false;
        }
        if (!(await isReplicating(node))) {
          return false;
        }
      }
      return true;
    },
    30_000,
  );
}

/** Returns whether the node is connected to its master; true if the node is a master itself. */
async function isReplicating(node: RedisNode): Promise<boolean> {
  const info = String(await node.command('INFO', 'replication'));
  return info.includes('role:master') || info.includes('master_link_status:up');
}
