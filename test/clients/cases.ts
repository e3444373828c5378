/**
 * Lists the cases that the test client of every language runs.
 *
 * - `client ADDRESS DESCRIPTOR_SET all` runs CASES, prints `PASS name` or `FAIL name reason` for each case, and exits.
 * - `client ADDRESS DESCRIPTOR_SET load` runs LOAD_CASE: the program sets the cache key `marker` and reads this key
 *   with 50 calls in flight. The program prints LOADED after a thousand reads have found the marker, and exits after a
 *   thousand later reads have not found the marker.
 *
 * Invariant: the client program, and not the test, checks whether a case has passed. The test also treats a case as
 * failed if the program prints no line for that case.
 */
export const CASES: Readonly<Record<string, string>> = {
  'rate-limit': 'a limit of three allows three calls and denies the fourth',
  'cache-3-mib': 'stores and returns a value of 3 MiB, the largest size that can be configured',
  'message-3.9-mib': 'a message of 3.9 MiB reaches the service, which answers INVALID_ARGUMENT',
  'message-over-4-mib': 'a message over 4 MiB fails with RESOURCE_EXHAUSTED, and the next call succeeds',
  'metadata-12-kib': 'a call with 12 KiB of metadata succeeds',
  'metadata-over-16-kib': 'a call with 17 KiB of metadata fails with RESOURCE_EXHAUSTED, and the next call succeeds',
  gzip: 'requests of one byte and of 1 MiB succeed over a channel that compresses with gzip',
  'calls-10000': '10,000 calls over one channel succeed with 50 in flight, and the limit counts each call once',
  watch: 'a stream of invalidations begins with `started` and reports every key in order',
  deadline: 'a stream ends with DEADLINE_EXCEEDED at its deadline, and the next call succeeds',
  cancel: 'a cancelled stream ends with CANCELLED, and the sidecar ends its watch',
  'keep-alive': 'an idle connection stays open during several pings and serves calls after them',
};

/**
 * Name of the load case, in which no call may fail. The program uses wait-for-ready if the library supports it. When a
 * connection ends, the library repeats the calls that the server did not execute. The tonic library has no retries, so
 * the tonic program repeats such calls itself.
 */
export const LOAD_CASE = 'load';
export const MARKER_KEY = 'marker';
/** Line that a program prints while the load is running. */
export const LOADED_LINE = 'LOADED';

export type CaseResult = { readonly passed: true } | { readonly passed: false; readonly reason: string };

/** Returns the result of each case for which the program printed a line. */
export function readResults(output: string): Map<string, CaseResult> {
  const results = new Map<string, CaseResult>();
  for (const [, verdict, name = '', reason = ''] of output.matchAll(/^(PASS|FAIL) (\S+) ?(.*)$/gm)) {
    results.set(name, verdict === 'PASS' ? { passed: true } : { passed: false, reason });
  }
  return results;
}
