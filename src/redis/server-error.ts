/**
 * Maps the error replies of Redis to store errors, in one table.
 *
 * `unavailable` and `forbidden` both mean that the command was certainly not executed. This holds for scripts too,
 * because Redis returns OOM, READONLY, NOREPLICAS and MISCONF before the first write of a script, and our scripts write
 * only after all reads.
 *
 * If the user lacks the permission for a command, the result is `forbidden`. If Redis refuses a command inside a
 * script, the result is `unknown`, because earlier commands of the script may have written. If such a script only
 * reads, the result is `forbidden`. The error code is NOPERM in all of these cases.
 *
 * The codes are documented at https://redis.io/docs/latest/develop/reference/protocol-spec/ and in the source of the
 * server.
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
  MOVED: { kind: 'unavailable', detail: 'too many MOVED redirects' },
  ASK: { kind: 'unavailable', detail: 'too many ASK redirects' },
  NOSCRIPT: { kind: 'unavailable', detail: 'the script was missing again after each load' },
  NOPERM: { kind: 'forbidden', detail: missingPermissionText([]) },
  NOAUTH: { kind: 'forbidden', detail: 'Redis requires a password' },
  WRONGPASS: { kind: 'forbidden', detail: 'Redis refused the user name or password' },
  DAMAGED: { kind: 'unavailable', detail: 'a stored value was damaged and has been removed' },
  WRONGTYPE: { kind: 'forbidden', detail: 'a key has the wrong type: another program writes under our key prefix' },
};

/** Error texts for a command or key that is refused inside a script, in Redis 7.0 and in 7.2 and later. */
const REFUSED_IN_SCRIPT = /the user executing the script can't|ACL failure in script/i;

/**
 * Returns the first word of a Redis error (`MOVED`, `OOM`, `ERR` ...), limited to 32 letters. Returns NOPERM if a
 * script lacks a permission.
 */
export function serverCodeOf(message: string): string {
  if (REFUSED_IN_SCRIPT.test(message)) {
    return 'NOPERM';
  }
  const word = /^[A-Z]{1,32}/.exec(message);
  return word === null ? 'ERR' : word[0];
}

/** Error codes that report a damaged value. The recovery removes the value and sends the command once more. */
export const DAMAGE_CODES: ReadonlySet<string> = new Set(['WRONGTYPE', 'DAMAGED']);

/** Error codes that metrics distinguish. Metrics report every other code as `(other)`. */
export const SERVER_CODES: readonly string[] = [...Object.keys(REFUSALS), 'ERR', 'UNKILLABLE', 'NOPROTO', 'CROSSSLOT'];

/** Returns a StoreError if the server refused the login; undefined for any other connection error. */
export function loginRefusalOf(error: unknown): StoreError | undefined {
  const isRefused = error instanceof Error && /^(WRONGPASS|NOAUTH|NOPERM)\b/.test(error.message);
  return isRefused ? storeErrorOf(error) : undefined;
}

/**
 * Returns the StoreError for an error reply. The original text is only in the cause of the error, because it may
 * contain user data. Only logs may use this text.
 */
export function storeErrorOf(reply: Error, isRead = false): StoreError {
  const serverCode = serverCodeOf(reply.message);
  if (serverCode === 'NOPERM') {
    const command = refusedCommandIn(reply.message);
    const detail = missingPermissionText(command === undefined ? [] : [command]);
    return REFUSED_IN_SCRIPT.test(reply.message) && !isRead
      ? new StoreError('unknown', `Redis refused a command inside a script: ${detail}`, { serverCode, cause: reply })
      : new StoreError('forbidden', detail, { serverCode });
  }
  const refusal = REFUSALS[serverCode];
  if (refusal !== undefined) {
    return new StoreError(refusal.kind, refusal.detail, { serverCode });
  }
  if (/unknown command|unknown subcommand|wrong number of arguments/i.test(reply.message)) {
    return new StoreError(
      'forbidden',
      'the server does not know the command or its arguments; use Redis 7.0 or later',
      { serverCode },
    );
  }
  // The script failed midway, so its earlier writes remain.
  return new StoreError('unknown', 'Redis failed while it ran the command', { serverCode, cause: reply });
}
