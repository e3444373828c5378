/**
 * Tests that the number of series does not grow with traffic, and that the metrics page is up to date.
 */
import { readTextAsset } from '../lib/assets.ts';
import { METRICS, metricsMarkdown } from './metric-table.ts';
import { createMetrics } from './metrics.ts';

const metrics = createMetrics({ version: '1.2.3', instance: 'abcd1234', redisCodes: ['OOM'] });
afterAll(() => metrics.close());

async function series(): Promise<string[]> {
  const lines = (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => line.slice(0, line.lastIndexOf(' '))).sort();
}

test('docs/operations/metrics.md is up to date (make docs)', () => {
  expect(readTextAsset('docs/operations/metrics.md')).toBe(metricsMarkdown());
});

test('exports every metric of the table', async () => {
  const text = await metrics.text();
  expect(Object.values(METRICS).filter((row) => !text.includes(`# TYPE ${row.name} ${row.type}`))).toEqual([]);
});

test('exports the CPU time and both reload outcomes at the first scrape', async () => {
  const fresh = createMetrics({ version: '1.2.3', instance: 'abcd1234', redisCodes: [] });
  const text = await fresh.text();
  fresh.close();
  expect(Number(/^process_cpu_seconds_total (\S+)$/m.exec(text)?.[1])).toBeGreaterThan(0);
  expect(text).toContain('pannier_policy_reloads_total{outcome="reloaded"} 0\n');
  expect(text).toContain('pannier_policy_reloads_total{outcome="refused"} 0\n');
});

test('adds no series for 10,000 further decisions, calls and round trips', async () => {
  const call = metrics.method('/pannier.v1.RateLimitService/CheckRateLimit', 'unary', String);
  const redis = metrics.redis('state');
  function once(): void {
    call.started();
    call.finished(0, 1);
    metrics.decision('api', 'allowed');
    redis.roundTrip('a:1', 1);
    redis.commandError('a:1', 'OOM');
  }
  once();
  const before = await series();
  for (let index = 0; index < 10_000; index += 1) {
    once();
  }
  expect(await series()).toEqual(before);
});

test('exports refusals by code, 0 once they are over, and unknown codes as (other)', async () => {
  let refusedCodes: readonly string[] = [];
  const health = {
    isUp: true,
    conflictingMasters: 0,
    masterChanges: 0,
    silentSentinels: undefined,
    isFormatRefused: false,
  };
  metrics.onScrape('state', () => ({ ...health, refusedCodes }));
  const refusals = async () =>
    (await metrics.text()).split('\n').filter((line) => line.startsWith('pannier_redis_refusals{'));
  expect(await refusals()).toEqual([]);
  refusedCodes = ['OOM', 'MADEUP'];
  const lasting = [
    'pannier_redis_refusals{role="state",code="OOM"} 1',
    'pannier_redis_refusals{role="state",code="(other)"} 1',
  ];
  expect(await refusals()).toEqual(lasting);
  refusedCodes = [];
  expect(await refusals()).toEqual(lasting.map((line) => line.replace(/1$/, '0')));
});

test('counts nodes and codes beyond the bounds as (other)', async () => {
  const redis = metrics.redis('cache');
  for (let index = 0; index < 1_000; index += 1) {
    redis.commandError(`node-${index}:1`, `MADEUP${index}`);
  }
  const errors = (await series()).filter((line) => line.startsWith('pannier_redis_error_replies_total{role="cache"'));
  expect(errors.length).toBeLessThanOrEqual(65);
  expect(errors.some((line) => line.includes('node="(other)"'))).toBe(true);
  expect(errors.every((line) => line.includes('code="(other)"'))).toBe(true);
});

test('removes the series of removed policies and limits, and keeps those of limits in calls', async () => {
  metrics.setPolicies(policies({ old: ['hour'], api: ['hour', 'minute'] }));
  for (const policy of ['old', 'api', undefined]) {
    metrics.decision(policy, 'denied');
    metrics.peek(policy, 'store');
    metrics.denial(policy ?? '(inline)', 'hour');
  }
  metrics.denial('api', 'minute');
  expect(await rateLimitSeries()).toEqual([
    'decisions_total{policy="(inline)",outcome="denied"}',
    'decisions_total{policy="api",outcome="denied"}',
    'decisions_total{policy="old",outcome="denied"}',
    'denials_total{policy="api",limit="hour"}',
    'denials_total{policy="api",limit="minute"}',
    'denials_total{policy="old",limit="hour"}',
    'peeks_total{policy="(inline)",decided_by="store"}',
    'peeks_total{policy="api",decided_by="store"}',
    'peeks_total{policy="old",decided_by="store"}',
    'unknown_policy_calls_total',
  ]);
  metrics.setPolicies(policies({ api: ['minute'] }));
  // These calls were in flight during the reload.
  metrics.decision('old', 'denied');
  metrics.denial('api', 'hour');
  expect(await rateLimitSeries()).toEqual([
    'decisions_total{policy="(inline)",outcome="denied"}',
    'decisions_total{policy="api",outcome="denied"}',
    'denials_total{policy="api",limit="minute"}',
    'peeks_total{policy="(inline)",decided_by="store"}',
    'peeks_total{policy="api",decided_by="store"}',
    'unknown_policy_calls_total',
  ]);
});

function policies(limitsOf: Record<string, string[]>): Map<string, { limits: { name: string }[] }> {
  return new Map(
    Object.entries(limitsOf).map(([name, limits]) => [name, { limits: limits.map((limit) => ({ name: limit })) }]),
  );
}

async function rateLimitSeries(): Promise<string[]> {
  const prefix = 'pannier_rate_limit_';
  return (await series()).filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length));
}
