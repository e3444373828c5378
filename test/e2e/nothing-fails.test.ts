/**
 * Tests that no call fails while an operator runs SCRIPT FLUSH or migrates a slot on a healthy Cluster.
 */

import type { RedisNode } from '../support/redis/server.ts';
import { migrateSlot, slotsOf } from '../support/redis/slot-migration.ts';
import {
  failedCalls,
  lateCalls,
  sessionsAround,
  startFaultLoad,
  subjectsAround,
} from '../support/sidecar/fault-load.ts';
import { type Fleet, startFleet } from '../support/sidecar/fleet.ts';
import { waitFor } from '../support/wait.ts';

const HELD_MS = 5_000;

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet();
});

afterAll(async () => {
  await fleet?.stop();
});

test('no call fails during repeated SCRIPT FLUSH on every master', async () => {
  const node = fleet.cluster.nodes[0] as RedisNode;
  const load = startFaultLoad(fleet, subjectsAround(fleet, node), await sessionsAround(fleet, node));
  for (let round = 0; round < 20; round += 1) {
    const seen = load.records().length;
    for (const master of fleet.cluster.masters()) {
      await master.command('SCRIPT', 'FLUSH');
    }
    await waitFor('calls after the flush', () => load.records().length > seen + 100);
  }
  const records = await load.stop();
  expect(failedCalls(records).slice(0, 5)).toEqual([]);
  expect(lateCalls(records, load.lagMs())).toEqual([]);
});

test('no rate limit check or session read fails during a slot migration that pauses for 5 s', async () => {
  const source = fleet.cluster.masters()[0] as RedisNode;
  const target = fleet.cluster.masters()[1] as RedisNode;
  const subjects = subjectsAround(fleet, source);
  const sessions = await sessionsAround(fleet, source);
  const load = startFaultLoad(fleet, subjects, sessions);
  await waitFor('the load to warm up', () => load.records().length > 500);
  const slots = slotsOf(subjects.filter(({ shard }) => shard === 'suffering').map(({ name }) => name));
  const migrations = slots.slice(0, 8).map((slot) => migrateSlot({ slot, source, target, cluster: fleet.cluster }));
  for (const migration of migrations) {
    await migration.begin();
  }
  const begunMs = performance.now();
  await waitFor('the migration to pause for 5 s', () => performance.now() > begunMs + HELD_MS);
  for (const migration of migrations) {
    await migration.moveKeys();
  }
  const movedMs = performance.now();
  await waitFor('calls that are redirected to the target', () => performance.now() > movedMs + 1_000);
  for (const migration of migrations) {
    await migration.finish();
  }
  const finishedMs = performance.now();
  await waitFor('calls after the migration', () => performance.now() > finishedMs + 2_000);
  const records = await load.stop();
  expect(failedCalls(records).slice(0, 5)).toEqual([]);
  expect(lateCalls(records, load.lagMs())).toEqual([]);
});
