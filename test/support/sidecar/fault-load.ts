/**
 * Generates load during fault tests: rate limit checks and session reads. Some keys are on the failing shard. The other
 * keys are on shards that the fault must not affect. Each call has a deadline.
 */
import { createKeyspace } from '../../../src/redis/keyspace.ts';
import type { RedisNode } from '../redis/server.ts';
import { waitFor } from '../wait.ts';
import type { Fleet } from './fleet.ts';
import { type CallRecord, type Load, startLoad } from './load.ts';
import type { Ended, PannierClient } from './pannier-client.ts';

const DEADLINE_MS = 1_000;
/** Maximum time between the deadline of a call and its end, not including delays of the test process. */
const GRACE_MS = 50;

const DECIDED_BY_STORE = 1;
const DECIDED_BY_FAILURE_MODE = 4;
const keyspace = createKeyspace('pannier:');

export interface FaultResult {
  kind: 'limit' | 'session';
  shard: 'suffering' | 'other';
  /**
   * Result of the call: the source of a successful response (the store or the failure mode), or the status code of an
   * error.
   */
  outcome: 'store' | 'failure mode' | number;
  details: string;
}

export type FaultRecord = CallRecord<FaultResult>;

export interface Subject {
  name: string;
  shard: 'suffering' | 'other';
}

/**
 * Returns 16 subjects whose limits are stored on `suffering`, and 16 subjects whose limits are stored on other nodes.
 */
export function subjectsAround(fleet: Fleet, suffering: RedisNode): Subject[] {
  const subjects: Subject[] = [];
  const counts = { suffering: 0, other: 0 };
  for (let index = 0; counts.suffering < 16 || counts.other < 16; index += 1) {
    const name = `subject-${index}`;
    const node = fleet.cluster.masterOf(keyspace.rateLimit('default', '', name));
    const shard = node.port === suffering.port ? 'suffering' : 'other';
    if (counts[shard] < 16) {
      counts[shard] += 1;
      subjects.push({ name, shard });
    }
  }
  return subjects;
}

/** Creates sessions, which are distributed over all shards. */
export async function sessionsAround(fleet: Fleet, suffering: RedisNode, count = 24): Promise<Subject[]> {
  const sessions: Subject[] = [];
  for (let index = 0; index < count; index += 1) {
    // In one test run, a Cluster that had just started rejected a session for an unknown reason. If a call fails again,
    // the output shows the error.
    const { sessionId, handle } = await waitFor('a session of the load', async () => {
      const created = await fleet.clients[0].createSession({ data: { n: Buffer.from(String(index)) } });
      if (!created.ok) {
        process.stderr.write(`cannot create a session of the load: ${JSON.stringify(created)}; retrying\n`);
        return undefined;
      }
      return created.response.session;
    });
    const node = fleet.cluster.masterOf(keyspace.session(handle));
    sessions.push({ name: sessionId, shard: node.port === suffering.port ? 'suffering' : 'other' });
  }
  return sessions;
}

export function startFaultLoad(
  fleet: Fleet,
  subjects: readonly Subject[],
  sessions: readonly Subject[],
): Load<FaultResult> {
  return startLoad({
    callers: 24,
    pauseMs: 10,
    maxCalls: 100_000,
    call: async (caller, turn) => {
      const client = fleet.clients[caller % 3] as PannierClient;
      if (caller % 4 === 3) {
        const session = sessions[(caller + turn) % sessions.length] as Subject;
        return sessionResult(
          session,
          await client.getSession({ sessionId: session.name }, { deadlineMs: DEADLINE_MS }),
        );
      }
      const subject = subjects[(caller + turn) % subjects.length] as Subject;
      const limits = [
        { name: 'fault', algorithm: 'ALGORITHM_TOKEN_BUCKET', limit: 1_000_000, windowMs: 60_000 },
      ] as const;
      const ended = await client.checkRateLimit(
        { key: subject.name, limits: [...limits] },
        { deadlineMs: DEADLINE_MS },
      );
      if (!ended.ok) {
        return { kind: 'limit', shard: subject.shard, outcome: ended.code, details: ended.details };
      }
      const { decidedBy } = ended.response;
      if (decidedBy !== DECIDED_BY_STORE && decidedBy !== DECIDED_BY_FAILURE_MODE) {
        throw new Error(`decidedBy must be ${DECIDED_BY_STORE} or ${DECIDED_BY_FAILURE_MODE}, got ${decidedBy}`);
      }
      const outcome = decidedBy === DECIDED_BY_STORE ? 'store' : 'failure mode';
      return { kind: 'limit', shard: subject.shard, outcome, details: '' };
    },
  });
}

function sessionResult(session: Subject, ended: Ended<unknown>): FaultResult {
  if (ended.ok) {
    return { kind: 'session', shard: session.shard, outcome: 'store', details: '' };
  }
  return { kind: 'session', shard: session.shard, outcome: ended.code, details: ended.details };
}

/** Returns the calls that ended later than Pannier guarantees. */
export function lateCalls(records: readonly FaultRecord[], lagMs: number): FaultRecord[] {
  return records.filter((record) => record.tookMs > DEADLINE_MS + GRACE_MS + lagMs);
}

/** Returns the calls that received neither a response nor a documented error. */
export function wrongCalls(records: readonly FaultRecord[], allowedCodes: readonly number[]): FaultRecord[] {
  return records.filter(({ result }) => {
    const isAnswer = result.outcome === 'store' || result.outcome === 'failure mode';
    const isLimit = result.kind === 'limit';
    return !isAnswer && (isLimit || !allowedCodes.includes(result.outcome as number));
  });
}

/** Returns the calls that the store did not answer. */
export function failedCalls(records: readonly FaultRecord[], shard?: FaultResult['shard']): FaultRecord[] {
  return records.filter(({ result }) => result.outcome !== 'store' && (shard === undefined || result.shard === shard));
}
