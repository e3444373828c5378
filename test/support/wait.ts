/**
 * Waiting for a condition, with a deadline: the only way in which a test waits.
 */
const POLL_MS = 10;

/** Resolves with the first truthy value of `probe`; a probe that throws counts as not yet. Rejects after `timeoutMs`. */
export async function waitFor<Value>(
  what: string,
  probe: () => Value | Promise<Value>,
  timeoutMs = 10_000,
): Promise<NonNullable<Value>> {
  const deadlineMs = performance.now() + timeoutMs;
  let lastError: unknown;
  while (performance.now() < deadlineMs) {
    try {
      const value = await probe();
      if (value) {
        return value as NonNullable<Value>;
      }
    } catch (error) {
      lastError = error;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`cannot go on: ${what} did not happen within ${timeoutMs} ms`, { cause: lastError });
}

/** Waits while a window of this length turns within ten seconds: its turn gives room that a test does not expect. */
export async function awayFromWindowEdge(windowMs: number): Promise<void> {
  await waitFor('the window not to turn', () => Date.now() % windowMs < windowMs - 10_000, 20_000);
}
