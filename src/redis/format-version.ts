/**
 * Which formats of stored data may meet: the pure decision over what a version key holds.
 *
 *   1. A release reads the formats N and N+1 and writes N; the next one writes N+1. So sidecars of two releases in a row work side by side.
 *   2. The version key says which format the newest release on this Redis writes. It only grows, by one at a time.
 *   3. It serves only to stop a skipped release. What a single value is made of says the layout byte or header of the value.
 *
 * docs/internals/formats.md has the rules for a release that changes a format.
 */

export interface ReleaseFormats {
  /** N: what this release writes. */
  readonly writes: number;
  /** N+1, which the next release writes. */
  readonly readsUpTo: number;
}

export const RELEASE_FORMATS: ReleaseFormats = { writes: 1, readsUpTo: 2 };

export type FormatVerdict =
  /** `format` is what the key must hold from now on; the key is written only if it holds something else, or to renew its TTL. */
  | { readonly verdict: 'accepted'; readonly format: number }
  /** `detail` is for errors, the log and /readyz. */
  | { readonly verdict: 'refused'; readonly detail: string };

/** Decides over the text that the version key holds; undefined where there is no key. */
export function judgeFormat(stored: string | undefined, release: ReleaseFormats): FormatVerdict {
  if (stored === undefined) {
    return { verdict: 'accepted', format: release.writes };
  }
  const format = /^\d{1,9}$/.test(stored) ? Number(stored) : undefined;
  if (format === undefined) {
    return refused('a format that is not a number', release, 'use a key prefix that no other program uses');
  }
  if (format > release.readsUpTo) {
    return refused(`format ${format}`, release, 'a release was skipped: upgrade this sidecar');
  }
  if (format < release.writes - 1) {
    const between = `first run a release that writes format ${format + 1} on every sidecar`;
    return refused(`format ${format}`, release, `a release was skipped: ${between}`);
  }
  return { verdict: 'accepted', format: Math.max(format, release.writes) };
}

function refused(found: string, { writes, readsUpTo }: ReleaseFormats, remedy: string): FormatVerdict {
  return {
    verdict: 'refused',
    detail: `the stored data has ${found}, this release reads formats ${writes} to ${readsUpTo}; ${remedy}`,
  };
}
