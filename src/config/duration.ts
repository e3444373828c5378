/**
 * Parses and formats durations such as `500ms`, `1s`, `5m`, `1h` and `2d`: one whole number and one unit.
 */
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export const DURATION_FORM = 'a duration such as 500ms, 1s, 5m, 1h or 2d';

/** Returns the duration in milliseconds, or undefined if the text is not a duration. `0s` is not a valid duration. */
export function parseDurationMs(text: string): number | undefined {
  const match = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text);
  const durationMs = Number(match?.[1]) * (UNIT_MS[match?.[2] ?? ''] ?? Number.NaN);
  return durationMs > 0 ? durationMs : undefined;
}

/** Formats a duration in the largest unit of which it is a multiple, such as 3600000 as `1h`. */
export function durationText(durationMs: number): string {
  const units = Object.entries(UNIT_MS).toReversed();
  const [unit, unitMs] = units.find(([, candidateMs]) => durationMs % candidateMs === 0) ?? ['ms', 1];
  return `${durationMs / unitMs}${unit}`;
}
