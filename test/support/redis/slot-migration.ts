/**
 * A slot moved from one master to another step by step, as `redis-cli --cluster reshard` does it, so that a test can stand
 * still between the steps.
 */
import calculateSlot from 'cluster-key-slot';
import { createKeyspace } from '../../../src/redis/keyspace.ts';
import type { RedisCluster } from './cluster.ts';
import type { RedisNode } from './server.ts';

export interface SlotMigration {
  /** IMPORTING on the target, MIGRATING on the source: from now on what is not on the source is asked of the target. */
  begin(): Promise<void>;
  moveKeys(): Promise<void>;
  /** Every master learns the new owner. */
  finish(): Promise<void>;
}

const keyspace = createKeyspace('pannier:');

export function slotOf(key: string): number {
  return calculateSlot(key);
}

/** The slots in which the inline limits of these subjects live. */
export function slotsOf(subjects: readonly string[]): number[] {
  return [...new Set(subjects.map((subject) => calculateSlot(keyspace.rateLimit('default', '', subject))))];
}

export function migrateSlot(options: {
  slot: number;
  source: RedisNode;
  target: RedisNode;
  cluster: RedisCluster;
}): SlotMigration {
  const slot = String(options.slot);
  const { source, target, cluster } = options;
  async function idOf(node: RedisNode): Promise<string> {
    return String(await node.command('CLUSTER', 'MYID'));
  }
  return {
    begin: async () => {
      await target.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', await idOf(source));
      await source.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', await idOf(target));
    },
    moveKeys: async () => {
      for (;;) {
        const keys = (await source.command('CLUSTER', 'GETKEYSINSLOT', slot, '100')) as unknown[];
        if (keys.length === 0) {
          return;
        }
        const names = keys.map(String);
        await source.command('MIGRATE', target.host, String(target.port), '', '0', '5000', 'KEYS', ...names);
      }
    },
    finish: async () => {
      const owner = await idOf(target);
      await target.command('CLUSTER', 'SETSLOT', slot, 'NODE', owner);
      await source.command('CLUSTER', 'SETSLOT', slot, 'NODE', owner);
      for (const master of cluster.masters()) {
        if (master.port !== source.port && master.port !== target.port) {
          await master.command('CLUSTER', 'SETSLOT', slot, 'NODE', owner);
        }
      }
    },
  };
}
