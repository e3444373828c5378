/**
 * Moves a slot from one master to another step by step, as `redis-cli --cluster reshard` does, so that a test can pause
 * between the steps.
 */
import calculateSlot from 'cluster-key-slot';
import { createKeyspace } from '../../../src/redis/keyspace.ts';
import type { RedisCluster } from './cluster.ts';
import type { RedisNode } from './server.ts';

export interface SlotMigration {
  /**
   * Sets IMPORTING on the target and MIGRATING on the source. After this call, the source redirects missing keys to the
   * target.
   */
  begin(): Promise<void>;
  moveKeys(): Promise<void>;
  /** Announces the new owner to every master. */
  finish(): Promise<void>;
}

const keyspace = createKeyspace('pannier:');

export function slotOf(key: string): number {
  return calculateSlot(key);
}

/** Returns the slots of the keys that the inline limits use for these subjects. */
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
