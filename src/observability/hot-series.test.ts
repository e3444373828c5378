/**
 * Tests that hot series export the same values and the same text as the metrics of prom-client.
 */
import fc from 'fast-check';
import { Counter, Histogram, Registry } from 'prom-client';
import { asMetric, HistogramFamily, NumberFamily } from './hot-series.ts';
import type { MetricRow } from './metric-table.ts';

const BOUNDS = [0.001, 0.01, 0.1, 1];
const HISTOGRAM: MetricRow = { name: 'waits_seconds', type: 'histogram', labels: ['node'], help: 'Waits.' };
const COUNTER: MetricRow = { name: 'calls_total', type: 'counter', labels: ['method', 'code'], help: 'Calls.' };
const GAUGE: MetricRow = { name: 'open', type: 'gauge', labels: ['method'], help: 'Open.' };

test('exports a histogram like prom-client', async () => {
  const value = fc.oneof(fc.constantFrom(...BOUNDS, 0, 2), fc.double({ min: 0, max: 3, noNaN: true }));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom('a', 'b'), value), { minLength: 1 }), async (observations) => {
      const theirs = new Registry();
      const histogram = new Histogram({ ...HISTOGRAM, labelNames: ['node'], buckets: BOUNDS, registers: [theirs] });
      const ours = new Registry();
      const family = new HistogramFamily(HISTOGRAM, BOUNDS);
      ours.registerMetric(asMetric(HISTOGRAM, family));
      const series = new Map<string, ReturnType<HistogramFamily['create']>>();
      for (const [node, observed] of observations) {
        histogram.observe({ node }, observed);
        const one = series.get(node) ?? family.create({ node });
        series.set(node, one);
        one.observe(observed);
      }
      expect(await ours.metrics()).toBe(await theirs.metrics());
    }),
  );
});

test('exports a counter like prom-client, and omits series that never counted', async () => {
  const theirs = new Registry();
  const counter = new Counter({ ...COUNTER, labelNames: [...COUNTER.labels], registers: [theirs] });
  const ours = new Registry();
  const family = new NumberFamily(COUNTER);
  ours.registerMetric(asMetric(COUNTER, family));
  const odd = { method: 'with "quotes" and \\', code: 'OK' };
  counter.inc(odd, 3);
  family.create(odd).add(3);
  family.create({ method: 'never', code: 'OK' });
  expect(await ours.metrics()).toBe(await theirs.metrics());
});

test('exports a gauge of 0', () => {
  const family = new NumberFamily(GAUGE);
  const series = family.create({ method: 'a' });
  series.add(1);
  series.add(-1);
  expect(family.samples()).toEqual([{ metricName: 'open', labels: { method: 'a' }, value: 0 }]);
});
