/**
 * Implements counters and histograms for events that occur with every call. An observation increases a number in
 * memory, and a scrape reads that number.
 *
 * prom-client looks up a series by its labels at every observation. Such a lookup costs more CPU time than decoding the
 * call (see bench/codec.ts and docs/internals/performance.md). prom-client still handles rare events and the text
 * format.
 */
import type { Metric } from 'prom-client';
import type { MetricRow } from './metric-table.ts';

type Labels = Readonly<Record<string, string>>;

/** One line of the Prometheus text format. */
interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

class NumberSeries {
  value = 0;
  readonly labels: Labels;

  constructor(labels: Labels) {
    this.labels = labels;
  }

  add(amount: number): void {
    this.value += amount;
  }
}

export class HistogramSeries {
  readonly labels: Labels;
  /** Number of observations per bucket. The last bucket counts the observations above all bounds. */
  readonly counts: Float64Array;
  sum = 0;
  readonly #bounds: readonly number[];

  constructor(labels: Labels, bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let index = 0;
    while (index < bounds.length && value > (bounds[index] as number)) {
      index += 1;
    }
    this.counts[index] = (this.counts[index] as number) + 1;
    this.sum += value;
  }
}

/**
 * All series of a counter or gauge. `create` does not check for duplicates, so callers create each series once and keep
 * the series.
 */
export class NumberFamily {
  readonly #row: MetricRow;
  readonly #series: NumberSeries[] = [];

  constructor(row: MetricRow) {
    this.#row = row;
  }

  create(labels: Labels): NumberSeries {
    const series = new NumberSeries(labels);
    this.#series.push(series);
    return series;
  }

  samples(): readonly Sample[] {
    // Omits counters that are 0, but not gauges, because a gauge of 0 is meaningful.
    const reported = this.#series.filter((series) => this.#row.type === 'gauge' || series.value !== 0);
    return reported.map(({ labels, value }) => ({ metricName: this.#row.name, labels, value }));
  }
}

export class HistogramFamily {
  readonly #row: MetricRow;
  readonly #bounds: readonly number[];
  readonly #series: HistogramSeries[] = [];

  /** `bounds` are the upper bounds of the buckets in ascending order. */
  constructor(row: MetricRow, bounds: readonly number[]) {
    this.#row = row;
    this.#bounds = bounds;
  }

  create(labels: Labels): HistogramSeries {
    const series = new HistogramSeries(labels, this.#bounds);
    this.#series.push(series);
    return series;
  }

  samples(): readonly Sample[] {
    const reported = this.#series.filter((series) => series.counts.some((count) => count > 0));
    return reported.flatMap((series) => this.#samplesOf(series));
  }

  #samplesOf({ labels, counts, sum }: HistogramSeries): Sample[] {
    const { name } = this.#row;
    const samples: Sample[] = [];
    let total = 0;
    for (const [index, count] of counts.entries()) {
      total += count;
      const bound = this.#bounds[index] ?? '+Inf';
      samples.push({ metricName: `${name}_bucket`, labels: { le: bound, ...labels }, value: total });
    }
    samples.push({ metricName: `${name}_sum`, labels, value: sum });
    samples.push({ metricName: `${name}_count`, labels, value: total });
    return samples;
  }
}

/** Adapts a family to the part of prom-client's Metric that its registry uses. */
export function asMetric(row: MetricRow, family: { samples(): readonly Sample[] }): Metric {
  const metric = {
    name: row.name,
    help: row.help,
    type: row.type,
    get: async () => ({ name: row.name, help: row.help, type: row.type, values: family.samples() }),
  };
  return metric as unknown as Metric;
}
