/**
 * The instance id of a sidecar: it distinguishes the log lines, metrics and pages of one process from those of all others.
 *
 *   1. Random for each process, so that a restarted container is another instance.
 *   2. Only for people: no key, message or decision depends on it.
 */
import { randomBytes } from 'node:crypto';

const INSTANCE_ID_BYTES = 4;

/** 8 hexadecimal digits. Of 1,000 sidecars two are equal with a probability of about 1 in 10,000. */
export function createInstanceId(): string {
  return randomBytes(INSTANCE_ID_BYTES).toString('hex');
}
