/**
 * What every foreign client does, whatever its language: the names that its program prints, one line each.
 *
 *   client ADDRESS DESCRIPTOR_SET all       plays CASES, prints `PASS name` or `FAIL name reason`, ends
 *   client ADDRESS DESCRIPTOR_SET load      plays LOAD_CASE: sets the cache key `marker`, reads it with 50 calls in flight, prints LOADED
 *                                           once a thousand reads found it, and ends once a thousand more found it gone
 *
 * A program decides by itself whether a case passed; the line that is missing has failed.
 */
export const CASES: Readonly<Record<string, string>> = {
  'rate-limit': 'three calls are allowed by a limit of three, the fourth is denied',
  'cache-3-mib': 'a value of 3 MiB, the largest that can be allowed, is stored and comes back byte by byte',
  'message-3.9-mib': 'a message of 3.9 MiB reaches the service, which says INVALID_ARGUMENT',
  'message-over-4-mib': 'a message over 4 MiB is RESOURCE_EXHAUSTED; the next call is served',
  'metadata-12-kib': 'a call with 12 KiB of metadata is served',
  'metadata-over-16-kib': 'a call with 17 KiB of metadata is RESOURCE_EXHAUSTED; the next call is served',
  gzip: 'requests over a channel that compresses with gzip are served, of one byte and of 1 MiB',
  'calls-10000': '10,000 calls over one channel, 50 in flight: none fails, each is counted once',
  watch: 'a stream of invalidations begins with `started` and brings each key in order',
  deadline: 'a stream whose deadline runs out ends with DEADLINE_EXCEEDED; the next call is served',
  cancel: 'a stream that is cancelled ends with CANCELLED, and the sidecar knows that it is gone',
  'keep-alive': 'a connection that is idle and pinged stays open for several pings and serves after them',
};

/**
 * Not one call of the load may fail, with wait-for-ready where the library has it: what a connection that ends has not executed, the
 * library sends again on the next one. Where it does not do so (tonic), the program repeats what was certainly not executed, and
 * counts all else as failed.
 */
export const LOAD_CASE = 'load';
export const MARKER_KEY = 'marker';
/** What a program prints once the load is on. */
export const LOADED_LINE = 'LOADED';

export type CaseResult = { readonly passed: true } | { readonly passed: false; readonly reason: string };

/** How each case ended that the program has a line for. */
export function readResults(output: string): Map<string, CaseResult> {
  const results = new Map<string, CaseResult>();
  for (const [, verdict, name = '', reason = ''] of output.matchAll(/^(PASS|FAIL) (\S+) ?(.*)$/gm)) {
    results.set(name, verdict === 'PASS' ? { passed: true } : { passed: false, reason });
  }
  return results;
}
