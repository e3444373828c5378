/**
 * Results of all rounds: medians, and ratios of two operations in the same round. Within a round, other load on the machine affects both
 * operations alike.
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

  /** Returns undefined if the operation was not measured. */
  spread(operation: string, load: LoadName, name: 'redisUs' | 'ownUs'): Spread | undefined {
    return spreadOf(this.rounds(operation, load).map((figures) => figures[name]));
  }

  /** Returns the Redis CPU of one operation divided by that of another, or undefined if one of them was not measured. */
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
