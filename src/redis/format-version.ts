/**
 * Decides from the version key in Redis whether this release may use the stored data. Pure.
 *
 *   1. A release writes format N, and reads the formats N and N+1. The next release writes N+1. Therefore, sidecars of
 *      two consecutive releases can use the same Redis.
 *   2. The version key stores the format that is written by the newest release that has used this Redis. The value of
 *      the key never decreases, and increases by one at a time.
 *   3. The version key is used only to detect a skipped release. The layout byte or the header of a value determines
 *      its layout.
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
  /** The release may use the stored data. The caller must write `format` to the version key and renew its TTL. */
  | { readonly verdict: 'accepted'; readonly format: number }
  /** The release must not use the stored data. The text `detail` appears in errors, in the log and in /readyz. */
  | { readonly verdict: 'refused'; readonly detail: string };

/** Returns the verdict on `stored`, the value of the version key. `stored` is undefined if the key does not exist. */
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
