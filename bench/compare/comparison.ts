/**
 * Compares the measurements of all rounds: medians, their ratio, and whether the ratio is within its limit.
 *
 * 1. Every round measures the base twice, as `base` and `again`. The difference between these two measurements is the noise of the machine.
 * 2. The order of the builds varies between rounds, so that no build profits from its position. Six rounds contain every order once.
 * 3. A ratio may be at most 1.03. The limit is 1.05 if the two measurements of the base differ by more than 3 % in the median round.
 */
import { median } from '../process-stats.ts';

export const BUILD_ROLES = ['base', 'current', 'again'] as const;
export type BuildRole = (typeof BUILD_ROLES)[number];

const MAX_RATIO = 1.03;
const MAX_NOISY_RATIO = 1.05;
const NOISY_SPREAD = 0.03;

export interface Comparison {
  readonly figure: string;
  readonly base: number;
  readonly current: number;
  readonly ratio: number;
  /** Relative difference between the two measurements of the base, as the median of all rounds. */
  readonly spread: number;
  readonly maxRatio: number;
  readonly isWithin: boolean;
}

/** Returns the order of the builds in a round. The first round is 0. */
export function orderOf(round: number): BuildRole[] {
  const start = Math.floor(round / 2) % BUILD_ROLES.length;
  const order = [...BUILD_ROLES.slice(start), ...BUILD_ROLES.slice(0, start)];
  return round % 2 === 0 ? order : order.reverse();
}

export class Samples {
  readonly #figures = new Map<string, Record<BuildRole, number[]>>();

  add(figure: string, role: BuildRole, value: number): void {
    const samples = this.#figures.get(figure) ?? { base: [], current: [], again: [] };
    samples[role].push(value);
    this.#figures.set(figure, samples);
  }

  /** Returns the comparisons in the order in which the figures were first measured. */
  compare(): Comparison[] {
    return [...this.#figures].map(([figure, samples]) => compareFigure(figure, samples));
  }
}

function compareFigure(figure: string, samples: Record<BuildRole, readonly number[]>): Comparison {
  const base = (median(samples.base) + median(samples.again)) / 2;
  const current = median(samples.current);
  const spread = median(samples.base.map((value, round) => Math.abs((samples.again[round] ?? Number.NaN) / value - 1)));
  const ratio = current / base;
  const maxRatio = spread > NOISY_SPREAD ? MAX_NOISY_RATIO : MAX_RATIO;
  return { figure, base, current, ratio, spread, maxRatio, isWithin: ratio <= maxRatio };
}

const NAME_WIDTH = 44;

export function tableText(comparisons: readonly Comparison[]): string {
  const title = row('median of all rounds', ['base', 'this', 'this / base', 'base / base', 'limit', '']);
  const rows = comparisons.map((one) =>
    row(one.figure, [
      one.base.toFixed(2),
      one.current.toFixed(2),
      one.ratio.toFixed(3),
      `+-${(one.spread * 100).toFixed(1)} %`,
      one.maxRatio.toFixed(2),
      one.isWithin ? 'met' : 'EXCEEDED',
    ]),
  );
  return `${[title, ...rows].join('\n')}\n`;
}

function row(name: string, columns: readonly string[]): string {
  return `${name.padEnd(NAME_WIDTH)}${columns.map((column) => column.padStart(13)).join('')}`.trimEnd();
}

export function verdictText(comparisons: readonly Comparison[]): string {
  const exceeded = comparisons.filter((one) => !one.isWithin);
  if (exceeded.length === 0) {
    return `every figure of this working tree is within its limit\n`;
  }
  const names = exceeded.map((one) => `${one.figure} (${one.ratio.toFixed(3)}, at most ${one.maxRatio.toFixed(2)})`);
  return `above the limit: ${names.join('; ')}\n`;
}
