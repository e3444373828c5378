/**
 * Results of all rounds: medians, and ratios of rows of the same round.
 *
 * 1. Each round measures all rows one after the other, so that other load on the machine affects all rows alike.
 * 2. A ratio is the median of the ratios of all rounds, and not the ratio of two medians.
 * 3. The results include only the quieter half of the rounds: the rounds in which the server waited for its core no longer than in the median round.
 *    The measured figures have no influence on this choice.
 */
import { median } from '../process-stats.ts';
import type { Figures } from './load-client.ts';

export type FigureName = keyof Figures;

export interface Ratio {
  readonly value: number;
  readonly min: number;
  readonly max: number;
}

export class Results {
  readonly #rounds = new Map<string, Figures[]>();

  add(rowId: string, figures: Figures): void {
    const rounds = this.#rounds.get(rowId) ?? [];
    rounds.push(figures);
    this.#rounds.set(rowId, rounds);
  }

  rounds(rowId: string): readonly Figures[] {
    return this.#rounds.get(rowId) ?? [];
  }

  has(rowId: string): boolean {
    return this.#rounds.has(rowId);
  }

  median(rowId: string, name: FigureName): number {
    return median(calmest(this.rounds(rowId), waitOf).map((figures) => figures[name]));
  }

  /** Returns the median share of time for which servers waited for their core, over all rounds of all rows. */
  waitShare(): number {
    return median([...this.#rounds.values()].flat().map(waitOf));
  }

  /** Returns the number of failed calls in all rounds. */
  failed(rowId: string): number {
    return this.rounds(rowId).reduce((sum, figures) => sum + figures.failed, 0);
  }

  failedInAll(): number {
    return [...this.#rounds.keys()].reduce((sum, rowId) => sum + this.failed(rowId), 0);
  }

  /** Returns undefined if one of the two rows was not measured. */
  ratio(rowId: string, toRowId: string, name: FigureName): Ratio | undefined {
    const to = this.rounds(toRowId);
    const pairs = this.rounds(rowId).flatMap((figures, round) => {
      const other = to[round];
      return other === undefined ? [] : [{ ratio: figures[name] / other[name], wait: waitOf(figures) + waitOf(other) }];
    });
    const ratios = calmest(pairs, (pair) => pair.wait).map((pair) => pair.ratio);
    if (ratios.length === 0) {
      return undefined;
    }
    return { value: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
  }
}

/** Returns the items whose waiting time is at most the median. */
function calmest<Item>(items: readonly Item[], wait: (item: Item) => number): Item[] {
  const maxWait = median(items.map(wait));
  return items.filter((item) => wait(item) <= maxWait);
}

/** Returns 0 for a client that does not report the waiting time. */
function waitOf(figures: Figures): number {
  return Number.isNaN(figures.serverWaitShare) ? 0 : figures.serverWaitShare;
}
