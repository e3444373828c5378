/**
 * What was measured, round by round: medians, and ratios of two operations within the same round, so that what else the machine did
 * hits both alike.
 */
import { median } from '../process-stats.ts';
import type { Figures, LoadName } from './load.ts';

export interface Spread {
  readonly value: number;
  readonly min: number;
  readonly max: number;
}

export class Results {
  readonly #rounds = new Map<string, Figures[]>();

  add(operation: string, load: LoadName, figures: Figures): void {
    const key = `${load} ${operation}`;
    const rounds = this.#rounds.get(key) ?? [];
    rounds.push(figures);
    this.#rounds.set(key, rounds);
  }

  rounds(operation: string, load: LoadName): readonly Figures[] {
    return this.#rounds.get(`${load} ${operation}`) ?? [];
  }

  /** Undefined if the operation was not measured. */
  spread(operation: string, load: LoadName, name: 'redisUs' | 'ownUs'): Spread | undefined {
    return spreadOf(this.rounds(operation, load).map((figures) => figures[name]));
  }

  /** CPU of Redis for the one, divided by that for the other. Undefined if one of the two was not measured. */
  ratio(operation: string, to: string, load: LoadName): Spread | undefined {
    const others = this.rounds(to, load);
    return spreadOf(
      this.rounds(operation, load).flatMap((figures, round) => {
        const other = others[round];
        return other === undefined ? [] : [figures.redisUs / other.redisUs];
      }),
    );
  }
}

function spreadOf(values: readonly number[]): Spread | undefined {
  return values.length === 0
    ? undefined
    : { value: median(values), min: Math.min(...values), max: Math.max(...values) };
}
