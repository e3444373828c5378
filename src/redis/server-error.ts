/**
 * What Redis answers when it refuses, and what that means to a store: the one table.
 *
 * `unavailable` and `forbidden` both mean that the command was certainly not executed. That holds for scripts too: OOM, READONLY,
 * NOREPLICAS and MISCONF are decided before a script writes for the first time, and ours write after all reads.
 *
 * One rule for permissions: a command that Redis refuses is `forbidden`. One that it refuses inside a script is `unknown`, because those before
 * it may have written; in a script that only reads it is `forbidden`. Either way the code is NOPERM.
 * Source of the codes: https://redis.io/docs/latest/develop/reference/protocol-spec/ and the server's own texts.
 */
import { StoreError, type StoreErrorKind } from '../lib/store-error.ts';
import { missingPermissionText, refusedCommandIn } from './permissions.ts';

interface ServerRefusal {
  readonly kind: StoreErrorKind;
  readonly detail: string;
}

const REFUSALS: Readonly<Record<string, ServerRefusal>> = {
  OOM: { kind: 'unavailable', detail: 'Redis is out of memory (maxmemory is reached and nothing may be evicted)' },
  MISCONF: { kind: 'unavailable', detail: 'Redis refuses writes because it cannot save to disk' },
  READONLY: { kind: 'unavailable', detail: 'the Redis node is a read-only replica' },
  LOADING: { kind: 'unavailable', detail: 'Redis is loading its data' },
  BUSY: { kind: 'unavailable', detail: 'Redis is busy running a script' },
  NOREPLICAS: { kind: 'unavailable', detail: 'Redis has too few replicas to accept writes' },
  CLUSTERDOWN: { kind: 'unavailable', detail: 'the Redis Cluster is down for this slot' },
  MASTERDOWN: { kind: 'unavailable', detail: 'the Redis replica has lost its master' },
  TRYAGAIN: { kind: 'unavailable', detail: 'the slot is migrating' },
  MOVED: { kind: 'unavailable', detail: 'the slot kept moving' },
  ASK: { kind: 'unavailable', detail: 'the slot kept migrating' },
  NOSCRIPT: { kind: 'unavailable', detail: 'Redis kept forgetting the script' },
  NOPERM: { kind: 'forbidden', detail: missingPermissionText([]) },
  NOAUTH: { kind: 'forbidden', detail: 'Redis wants a password' },
  WRONGPASS: { kind: 'forbidden', detail: 'Redis refused the user name or password' },
  DAMAGED: { kind: 'unavailable', detail: 'a stored value was damaged and has been removed' },
  WRONGTYPE: { kind: 'forbidden', detail: 'a key has the wrong type: another program writes under our key prefix' },
};

/** How Redis 7.0, and 7.2 and later, refuse a command or a key inside a script. */
const REFUSED_IN_SCRIPT = /the user executing the script can't|ACL failure in script/i;

/** The first word of a Redis error: `MOVED`, `OOM`, `ERR` ...; NOPERM also where a script lacks a permission. At most 32 letters. */
export function serverCodeOf(message: string): string {
  if (REFUSED_IN_SCRIPT.test(message)) {
    return 'NOPERM';
  }
  const word = /^[A-Z]{1,32}/.exec(message);
  return word === null ? 'ERR' : word[0];
}

/** A stored value is damaged: it is removed, and the command sent once more (damage-repair.ts). */
export const DAMAGE_CODES: ReadonlySet<string> = new Set(['WRONGTYPE', 'DAMAGED']);

/** Codes that metrics may name; others count as `(other)` there. */
export const SERVER_CODES: readonly string[] = [...Object.keys(REFUSALS), 'ERR', 'UNKILLABLE', 'NOPROTO', 'CROSSSLOT'];

/** Why the server did not let us in, as a StoreError; undefined for every other reason not to be connected. */
export function loginRefusalOf(error: unknown): StoreError | undefined {
  const isRefused = error instanceof Error && /^(WRONGPASS|NOAUTH|NOPERM)\b/.test(error.message);
  return isRefused ? storeErrorOf(error) : undefined;
}

/**
 * The StoreError for an error reply, of a command that only reads or of any. Redis' own text stays in the cause, for logs at most: it may hold
 * what users sent.
 */
export function storeErrorOf(reply: Error, isRead = false): StoreError {
  const serverCode = serverCodeOf(reply.message);
  if (serverCode === 'NOPERM') {
    const command = refusedCommandIn(reply.message);
    const detail = missingPermissionText(command === undefined ? [] : [command]);
    return REFUSED_IN_SCRIPT.test(reply.message) && !isRead
      ? new StoreError('unknown', `a script was refused, ${detail}`, { serverCode, cause: reply })
      : new StoreError('forbidden', detail, { serverCode });
  }
  const refusal = REFUSALS[serverCode];
  if (refusal !== undefined) {
    return new StoreError(refusal.kind, refusal.detail, { serverCode });
  }
  if (/unknown command|unknown subcommand|wrong number of arguments/i.test(reply.message)) {
    return new StoreError('forbidden', 'the Redis server lacks a command (7.0 or later is wanted)', { serverCode });
  }
  // A script that failed half way: what it had written stays.
  return new StoreError('unknown', 'Redis failed while it ran the command', { serverCode, cause: reply });
}
