/**
 * Creates a Redis store of sessions that records every command, and provides functions that create and update sessions.
 */
import { randomBytes } from 'node:crypto';
import type { RedisCommands } from '../../../src/redis/commands.ts';
import { createKeyspace } from '../../../src/redis/keyspace.ts';
import { type IssuedSessionId, issueSessionId } from '../../../src/session/model.ts';
import { RedisSessionStore } from '../../../src/session/redis-store.ts';
import type { NewSession, SessionStore } from '../../../src/session/store.ts';

/** Change that neither sets nor removes data. UPDATE is an update with this change. */
export const NO_CHANGE = { set: new Map<string, Buffer>(), remove: new Set<string>() };
export const UPDATE = { change: NO_CHANGE, ifVersion: undefined, idleTtlMs: undefined, absoluteTtlMs: undefined };

export interface RecordedStore {
  readonly store: RedisSessionStore;
  /** Returns the names of the scripts and commands that have run since the last call of this function. */
  takeSteps(): string[];
}

export function recordedStore(redis: RedisCommands): RecordedStore {
  let steps: string[] = [];
  const commands: RedisCommands = {
    run: (script, ...rest) => {
      steps.push(script.name);
      return redis.run(script, ...rest);
    },
    send: (key, command, ...rest) => {
      steps.push(String(command[0]));
      return redis.send(key, command, ...rest);
    },
  };
  return {
    store: new RedisSessionStore({ commands, keyspace: createKeyspace('') }),
    takeSteps: () => {
      const taken = steps;
      steps = [];
      return taken;
    },
  };
}

/** Creates a session. `options` replaces default values of the session. */
export async function createIn(store: SessionStore, options: Partial<NewSession> = {}): Promise<IssuedSessionId> {
  const issued = issueSessionId(randomBytes);
  const outcome = await store.create(
    {
      credential: issued.credential,
      userId: '',
      data: new Map(),
      labels: new Map(),
      idleTtlMs: 60_000,
      absoluteTtlMs: 600_000,
      ...options,
    },
    performance.now() + 10_000,
  );
  if (outcome.outcome !== 'created') {
    throw new Error(`cannot create a session: ${outcome.outcome}`);
  }
  return issued;
}
