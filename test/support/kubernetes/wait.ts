/**
 * Waits for a condition that controllers of a cluster establish, like `waitFor` but with a timeout for slow machines.
 */
import { waitFor } from '../wait.ts';

const TIMEOUT_MS = 60_000;

export async function waitInCluster<Value>(
  what: string,
  probe: () => Value | Promise<Value>,
  timeoutMs = TIMEOUT_MS,
): Promise<NonNullable<Value>> {
  return await waitFor(what, probe, timeoutMs);
}
