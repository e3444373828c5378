/**
 * What was measured, round by round, and what is made of it: medians, and ratios of rows of the same round.
 *
 * Rounds go through all rows one after the other, so that what else the machine does hits all alike; a ratio is the median of
 * those of the rounds, not that of two medians. Of the rounds those count in which the server waited for its core no longer
 * than in the middle one: the others say what else ran. That is decided by the wait alone, not by what came out.
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

  /** Of all rounds of all rows: how long the server waited for its core, a share of the time. */
  waitShare(): number {
    return median([...this.#rounds.values()].flat().map(waitOf));
  }

  /** Of the calls of all rounds. */
  failed(rowId: string): number {
    return this.rounds(rowId).reduce((sum, figures) => sum + figures.failed, 0);
  }

  failedInAll(): number {
    return [...this.#rounds.keys()].reduce((sum, rowId) => sum + this.failed(rowId), 0);
  }

  /** Undefined where one of the two was not measured. */
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

/** Those that waited no longer than the middle one. */
function calmest<Item>(items: readonly Item[], wait: (item: Item) => number): Item[] {
  const maxWait = median(items.map(wait));
  return items.filter((item) => wait(item) <= maxWait);
}

/** A client that does not tell counts as one that never waited. */
function waitOf(figures: Figures): number {
  return Number.isNaN(figures.serverWaitShare) ? 0 : figures.serverWaitShare;
}
