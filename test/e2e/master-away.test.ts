/**
 * Tests a master that is killed or frozen under load. The sockets of a frozen master stay open, but the master does not
 * reply. Every call ends within its time limit, and the fault does not affect the other shards. The failing shard is
 * available again soon after the promotion of its replica.
 */

import type { RedisNode } from '../support/redis/server.ts';
import {
  type FaultRecord,
  failedCalls,
  lateCalls,
  sessionsAround,
  startFaultLoad,
  subjectsAround,
  wrongCalls,
} from '../support/sidecar/fault-load.ts';
import { type Fleet, startFleet } from '../support/sidecar/fleet.ts';
import { waitFor } from '../support/wait.ts';

const UNAVAILABLE = 14;
const NOT_FOUND = 5;
/**
 * Maximum duration in ms of a call to which the sidecar applies the failure mode because a frozen node does not reply.
 */
const FAILURE_MODE_MS = 300;
const BACK_MS = 5_000;
const FROZEN_MS = 10_000;
/**
 * Tolerance for the memory of compiled code and of caches that fill under load. A leak would affect thousands of calls,
 * whose memory would exceed this tolerance.
 */
const MEMORY_SLACK_BYTES = 16_000_000;

interface Story {
  records: readonly FaultRecord[];
  lagMs: number;
  faultMs: number;
  promotedMs: number;
  fleet: Fleet;
  /** Live bytes of each sidecar after a garbage collection. */
  liveBytes: { before: number[]; after: number[] };
}

async function play(
  fault: (node: RedisNode) => Promise<void>,
  repair: (node: RedisNode) => Promise<void>,
): Promise<Story> {
  const fleet = await startFleet();
  const suffering = fleet.cluster.nodes[0] as RedisNode;
  const replica = fleet.cluster.replicaOf(suffering);
  const load = startFaultLoad(fleet, subjectsAround(fleet, suffering), await sessionsAround(fleet, suffering));
  await waitFor('the load to warm up', () => load.records().length > 2_000);
  const liveBefore = await liveBytes(fleet);
  const faultMs = performance.now();
  await fault(suffering);
  await waitFor(
    'the promotion of the replica',
    async () => String(((await replica.command('ROLE')) as unknown[])[0]) === 'master',
    20_000,
  );
  const promotedMs = performance.now();
  await waitFor(
    'the fault to last long enough',
    () => performance.now() > Math.max(faultMs + FROZEN_MS, promotedMs + BACK_MS),
    30_000,
  );
  await repair(suffering);
  const repairedMs = performance.now();
  await waitFor('calls after the repair', () => performance.now() > repairedMs + 3_000);
  const records = await load.stop();
  const liveAfter = await liveBytes(fleet);
  return {
    records,
    lagMs: load.lagMs(),
    faultMs,
    promotedMs,
    fleet,
    liveBytes: { before: liveBefore, after: liveAfter },
  };
}

async function liveBytes(fleet: Fleet): Promise<number[]> {
  return await Promise.all(fleet.sidecars.map((sidecar) => sidecar.liveBytes()));
}

function describeStory(name: string, tell: () => Promise<Story>): void {
  describe(name, () => {
    let story: Story;

    beforeAll(async () => {
      story = await tell();
    }, 120_000);

    afterAll(async () => {
      await story?.fleet.stop();
    });

    test('every call ends within its deadline', () => {
      expect(lateCalls(story.records, story.lagMs)).toEqual([]);
    });

    test('every call ends with a response or the documented error', () => {
      // The failover may lose a session that was created shortly before. Redis Cluster does not guarantee that such
      // writes survive.
      expect(wrongCalls(story.records, [UNAVAILABLE, NOT_FOUND]).slice(0, 5)).toEqual([]);
    });

    test('the failure mode decides limits soon after the node is down', () => {
      const during = story.records.filter(
        ({ result, startMs, tookMs }) =>
          result.outcome === 'failure mode' && startMs + tookMs > story.faultMs && startMs < story.promotedMs,
      );
      expect(during.length).toBeGreaterThan(0);
      const slow = during.filter(({ tookMs }) => tookMs > FAILURE_MODE_MS + story.lagMs);
      expect(slow.slice(0, 5)).toEqual([]);
    });

    test('calls to the other masters succeed', () => {
      expect(failedCalls(story.records, 'other').slice(0, 5)).toEqual([]);
    });

    test('memory returns to its previous size', () => {
      for (const [index, before] of story.liveBytes.before.entries()) {
        expect(story.liveBytes.after[index]).toBeLessThan(before + MEMORY_SLACK_BYTES);
      }
    });

    test('the shard is served again soon after the promotion', () => {
      const firstServed = story.records.find(
        ({ result, startMs }) =>
          result.shard === 'suffering' && result.outcome === 'store' && startMs > story.promotedMs,
      );
      expect((firstServed?.startMs ?? Number.POSITIVE_INFINITY) - story.promotedMs).toBeLessThan(BACK_MS + story.lagMs);
      const stillFailing = failedCalls(story.records).filter(
        ({ startMs, result }) => startMs > story.promotedMs + BACK_MS + story.lagMs && result.outcome !== NOT_FOUND,
      );
      expect(stillFailing.slice(0, 5)).toEqual([]);
    });
  });
}

describeStory('a master that is frozen for 10 s', () =>
  play(
    async (node) => await node.freeze(),
    async (node) => await node.thaw(),
  ),
);

describeStory('a master that is killed', () =>
  play(
    async (node) => await node.kill(),
    async () => undefined,
  ),
);
