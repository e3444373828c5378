/**
 * What Redis answers when it refuses, and what that means to a store: the one table.
 *
 * `unavailable` and `forbidden` both mean that the command was certainly not executed. That holds for scripts too: OOM, READONLY,
 * NOREPLICAS and MISCONF are decided before a script writes for the first time, and ours write after all reads.
 * Source of the codes: https://redis.io/docs/latest/develop/reference/protocol-spec/ and the server's own texts.
 */
import { StoreError, type StoreErrorKind } from '../lib/store-error.ts';

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
  NOPERM: { kind: 'forbidden', detail: 'the ACL user lacks a permission (see docs/redis.md for the list)' },
  NOAUTH: { kind: 'forbidden', detail: 'Redis wants a password' },
  WRONGPASS: { kind: 'forbidden', detail: 'Redis refused the user name or password' },
  WRONGTYPE: { kind: 'forbidden', detail: 'a key has the wrong type: another program writes under our key prefix' },
};

/** A script that met a command or key that its user may not use. */
const LACKS_PERMISSION = /the user executing the script can't|ACL failure in script/i;

/** The first word of a Redis error: `MOVED`, `OOM`, `ERR` ... */
export function serverCodeOf(message: string): string {
  const word = /^[A-Z]+/.exec(message);
  return word === null ? 'ERR' : word[0];
}

/** The code by which a refusal is logged: a permission that a script lacks has the code ERR in Redis' own text. */
export function refusalCodeOf(message: string): string {
  return LACKS_PERMISSION.test(message) ? 'NOPERM' : serverCodeOf(message);
}

/** Codes that metrics may name; others count as `(other)` there. */
export const SERVER_CODES: readonly string[] = [...Object.keys(REFUSALS), 'ERR'];

/** Why the server did not let us in, as a StoreError; undefined for every other reason not to be connected. */
export function loginRefusalOf(error: unknown): StoreError | undefined {
  const isRefused = error instanceof Error && /^(WRONGPASS|NOAUTH|NOPERM)\b/.test(error.message);
  return isRefused ? storeErrorOf(error) : undefined;
}

/** The StoreError for an error reply. Redis' own text stays in the cause, for logs at most: it may hold what users sent. */
export function storeErrorOf(reply: Error): StoreError {
  const serverCode = serverCodeOf(reply.message);
  const refusal = REFUSALS[serverCode];
  if (refusal !== undefined) {
    return new StoreError(refusal.kind, refusal.detail, { serverCode });
  }
  if (/unknown command|unknown subcommand|wrong number of arguments/i.test(reply.message)) {
    return new StoreError('forbidden', 'the Redis server lacks a command (7.0 or later is wanted)', { serverCode });
  }
  if (LACKS_PERMISSION.test(reply.message)) {
    // Redis judges each command of a script when it comes to it: what came before may have been written.
    const detail = 'the ACL user lacks a permission for a command or key of a script (see docs/redis.md for the list)';
    return new StoreError('unknown', detail, { serverCode, cause: reply });
  }
  // A script that failed half way: what it had written stays.
  return new StoreError('unknown', 'Redis failed while it ran the command', { serverCode, cause: reply });
}
