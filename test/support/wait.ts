/**
 * Waits for a condition, with a timeout. Tests use only this module to wait.
 */
const POLL_MS = 10;

/**
 * Resolves with the first truthy value of `probe`. Treats an error thrown by `probe` as a falsy value. Rejects after
 * `timeoutMs`.
 */
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
  throw new Error(`timed out after ${timeoutMs} ms waiting for: ${what}`, { cause: lastError });
}

/**
 * Waits until the current window lasts at least ten more seconds. A new window would allow calls that a test expects to
 * be denied.
 */
export async function awayFromWindowEdge(windowMs: number): Promise<void> {
  await waitFor('the next window', () => Date.now() % windowMs < windowMs - 10_000, 20_000);
}
