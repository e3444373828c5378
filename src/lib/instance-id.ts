/**
 * Creates the instance id of a sidecar. The id shows which process wrote a log line, a metric or a page.
 *
 * Invariants:
 *   1. The id is random, so that a restarted container has a new id.
 *   2. The id only identifies a process to a reader: no key, message or decision depends on the id.
 */
import { randomBytes } from 'node:crypto';

const INSTANCE_ID_BYTES = 4;

/** Returns 8 hexadecimal digits. Two of 1,000 sidecars have the same id with a probability of about 1 in 10,000. */
export function createInstanceId(): string {
  return randomBytes(INSTANCE_ID_BYTES).toString('hex');
}
