/**
 * Decides whether this release may use data of a stored format. Pure.
 *
 *   1. A release reads the formats N and N+1 and writes N. The next release writes N+1. So sidecars of two consecutive
 *      releases can use the same Redis.
 *   2. The version key holds the format that the newest release on this Redis writes. The value of the key never
 *      decreases, and it grows by one at a time.
 *   3. The key serves only to detect a skipped release. The layout byte or the header of a value determines its layout.
 *
 * docs/internals/formats.md lists the rules for a release that changes a format.
 */

export interface ReleaseFormats {
  /** Format N, which this release writes. */
  readonly writes: number;
  /** Format N+1, which the next release writes. */
  readonly readsUpTo: number;
}

export const RELEASE_FORMATS: ReleaseFormats = { writes: 1, readsUpTo: 2 };

export type FormatVerdict =
  /** The key must hold `format` from now on. The key is written only to change the format or to renew the TTL. */
  | { readonly verdict: 'accepted'; readonly format: number }
  /** The text `detail` appears in errors, in the log and in /readyz. */
  | { readonly verdict: 'refused'; readonly detail: string };

/** Returns the decision on the content of the version key, which is undefined if there is no key. */
export function judgeFormat(stored: string | undefined, release: ReleaseFormats): FormatVerdict {
  if (stored === undefined) {
    return { verdict: 'accepted', format: release.writes };
  }
  const format = /^\d{1,9}$/.test(stored) ? Number(stored) : undefined;
  if (format === undefined) {
    return refused('a format that is not a number', release, 'use a key prefix that no other program uses');
  }
  if (format > release.readsUpTo) {
    return refused(`format ${format}`, release, 'upgrade this sidecar, because a release was skipped');
  }
  if (format < release.writes - 1) {
    const between = `first run a release that writes format ${format + 1} on every sidecar`;
    return refused(`format ${format}`, release, `${between}, because a release was skipped`);
  }
  return { verdict: 'accepted', format: Math.max(format, release.writes) };
}

function refused(found: string, { writes, readsUpTo }: ReleaseFormats, remedy: string): FormatVerdict {
  return {
    verdict: 'refused',
    detail: `the stored data has ${found}, but this release reads formats ${writes} to ${readsUpTo}; ${remedy}`,
  };
}
