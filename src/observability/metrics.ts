/**
 * The registry of /metrics, and the functions with which modules record metrics.
 *
 * Invariants:
 *   1. If the labels of a series are known at start, the module creates the series once and later only updates its
 *      value.
 *   2. A label value from outside the process belongs to a bounded set, or the module replaces the value with
 *      `(other)`.
 *   3. A reload that removes a policy also removes its series.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Registry } from 'prom-client';
import { asMetric, HistogramFamily, type HistogramSeries, NumberFamily } from './hot-series.ts';
import { CALL_BUCKETS_S, METRICS, type MetricRow } from './metric-table.ts';
import { createRateLimitMetrics, type LimitsByPolicy, type RateLimitSeries } from './rate-limit-metrics.ts';

/**
 * Maximum numbers of distinct node names and of distinct reasons. Further values, such as names of nodes that are
 * renamed again and again, become `(other)`.
 */
const MAX_NODES = 64;
const MAX_REASONS = 32;
const OTHER = '(other)';
/** Sampling interval of the event-loop delay. The interval is long because each sample wakes an idle process. */
const DELAY_RESOLUTION_MS = 20;

interface MethodCounts {
  started(): void;
  finished(code: number, durationMs: number): void;
}

interface RedisCounts {
  roundTrip(node: string, durationMs: number): void;
  commandError(node: string, code: string): void;
  reconnected(node: string): void;
  connectionLost(node: string, reason: string): void;
  valueDamaged(code: string): void;
}

interface RedisHealth {
  readonly isUp: boolean;
  readonly conflictingMasters: number;
  /** Number of times that the master has changed since the process started. */
  readonly masterChanges: number;
  /** Number of Sentinels that report no master; undefined if the sidecar does not use Sentinel. */
  readonly silentSentinels: number | undefined;
  readonly isFormatRefused: boolean;
  /** Error codes with which Redis currently refuses commands or connections. */
  readonly refusedCodes: readonly string[];
}

export interface Metrics extends RateLimitSeries {
  method(path: string, kind: string, statusName: (code: number) => string): MethodCounts;
  connectionDropped(reason: string): void;
  /** Registers a function that every scrape calls. */
  onConnectionsScrape(count: () => number): void;
  sessionsEvicted(count: number): void;
  sessionLoginRefused(): void;
  nearHit(namespaceLabel: string): void;
  cacheRead(outcome: string, source: string): void;
  bucketFlushed(cause: string): void;
  redis(role: string): RedisCounts;
  /** Registers a function that every scrape calls. */
  onScrape(role: string, read: () => RedisHealth): void;
  memoryEvicted(store: string): void;
  /** Registers a store whose sizes every scrape reads. */
  onMemoryScrape(store: string, sizes: { readonly size: number; readonly bytes: number }): void;
  policyReload(outcome: 'reloaded' | 'refused'): void;
  /** Registers a function that every scrape calls. */
  onPolicyScrape(countProblems: () => number): void;
  /** Sets the current policies and removes the series of all other policies. */
  setPolicies(policies: LimitsByPolicy): void;
  /** Renders the body of /metrics. */
  text(): Promise<string>;
  readonly contentType: string;
  close(): void;
}

export interface MetricsOptions {
  readonly version: string;
  /** Instance id of this process. */
  readonly instance: string;
  readonly redisCodes: readonly string[];
}

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  const counter = (row: MetricRow, collect?: (this: Counter) => void): Counter =>
    new Counter({ ...describe(row), registers: [registry], ...(collect === undefined ? {} : { collect }) });
  const gauge = (row: MetricRow, collect?: (this: Gauge) => void): Gauge =>
    new Gauge({ ...describe(row), registers: [registry], ...(collect === undefined ? {} : { collect }) });

  const calls = new NumberFamily(METRICS.calls);
  const inFlight = new NumberFamily(METRICS.callsInFlight);
  const callDuration = new HistogramFamily(METRICS.callDuration, CALL_BUCKETS_S);
  let countConnections = (): number => 0;
  gauge(METRICS.connections, function collect() {
    this.set(countConnections());
  });
  const connectionsDropped = counter(METRICS.connectionsDropped);
  const rateLimits = createRateLimitMetrics(counter);
  const sessionsEvicted = counter(METRICS.sessionsEvicted);
  const sessionLoginsRefused = counter(METRICS.sessionLoginsRefused);
  const cacheReads = counter(METRICS.cacheReads);
  const nearCacheHits = counter(METRICS.nearCacheHits);
  const nearCacheBucketFlushes = counter(METRICS.nearCacheBucketFlushes);
  const roundTrips = new HistogramFamily(METRICS.redisRoundTrip, CALL_BUCKETS_S);
  registry.registerMetric(asMetric(METRICS.calls, calls));
  registry.registerMetric(asMetric(METRICS.callsInFlight, inFlight));
  registry.registerMetric(asMetric(METRICS.callDuration, callDuration));
  registry.registerMetric(asMetric(METRICS.redisRoundTrip, roundTrips));
  const redisErrorReplies = counter(METRICS.redisErrorReplies);
  const reconnects = counter(METRICS.redisReconnects);
  const losses = counter(METRICS.redisLosses);
  const damagedValues = counter(METRICS.redisDamagedValues);
  const evictions = counter(METRICS.memoryStoreEvictions);
  const reloads = counter(METRICS.policyReloads);
  for (const outcome of ['reloaded', 'refused']) {
    // Starts at 0, because increase() ignores the first sample of a series. An alert would otherwise miss the first
    // refusal.
    reloads.inc({ outcome }, 0);
  }
  const policies = gauge(METRICS.policies);
  let countPolicyProblems = (): number => 0;
  gauge(METRICS.policyFileProblems, function collect() {
    this.set(countPolicyProblems());
  });
  const memorySizes = new Map<string, { readonly size: number; readonly bytes: number }>();
  gauge(METRICS.memoryStoreEntries, function collect() {
    for (const [store, sizes] of memorySizes) {
      this.set({ store }, sizes.size);
    }
  });
  gauge(METRICS.memoryStoreBytes, function collect() {
    for (const [store, sizes] of memorySizes) {
      this.set({ store }, sizes.bytes);
    }
  });
  const healthByRole = new Map<string, () => RedisHealth>();
  gauge(METRICS.redisUp, function collect() {
    for (const [role, read] of healthByRole) {
      this.set({ role }, read().isUp ? 1 : 0);
    }
  });
  gauge(METRICS.redisConflictingMasters, function collect() {
    for (const [role, read] of healthByRole) {
      this.set({ role }, read().conflictingMasters);
    }
  });
  counter(METRICS.redisMasterChanges, function collect() {
    this.reset();
    for (const [role, read] of healthByRole) {
      this.inc({ role }, read().masterChanges);
    }
  });
  gauge(METRICS.redisSilentSentinels, function collect() {
    for (const [role, read] of healthByRole) {
      const { silentSentinels } = read();
      if (silentSentinels !== undefined) {
        this.set({ role }, silentSentinels);
      }
    }
  });
  gauge(METRICS.redisFormatRefused, function collect() {
    for (const [role, read] of healthByRole) {
      this.set({ role }, read().isFormatRefused ? 1 : 0);
    }
  });
  const codes = new Set(options.redisCodes);
  const refusedSeries = new Map<string, { readonly role: string; readonly code: string }>();
  gauge(METRICS.redisRefusals, function collect() {
    const now = new Set<string>();
    for (const [role, read] of healthByRole) {
      for (const refusedCode of read().refusedCodes) {
        const code = codes.has(refusedCode) ? refusedCode : OTHER;
        now.add(`${role} ${code}`);
        refusedSeries.set(`${role} ${code}`, { role, code });
      }
    }
    for (const [id, labels] of refusedSeries) {
      this.set(labels, now.has(id) ? 1 : 0);
    }
  });
  const delay = collectProcess(gauge, counter, options);
  const nodes = boundedLabel(MAX_NODES);
  const reasons = boundedLabel(MAX_REASONS);

  return {
    ...rateLimits,
    method: (path, kind, statusName) => {
      const method = path.slice(1);
      const byCode = Array.from({ length: 17 }, (_, code) => calls.create({ method, code: statusName(code) }));
      const running = inFlight.create({ method });
      const duration = callDuration.create({ method });
      return {
        started: () => running.add(1),
        finished: (code, durationMs) => {
          running.add(-1);
          byCode[code]?.add(1);
          if (kind === 'unary') {
            duration.observe(durationMs / 1_000);
          }
        },
      };
    },
    connectionDropped: (reason) => connectionsDropped.inc({ reason }),
    onConnectionsScrape: (count) => {
      countConnections = count;
    },
    sessionsEvicted: (count) => sessionsEvicted.inc(count),
    sessionLoginRefused: () => sessionLoginsRefused.inc(),
    nearHit: (namespace) => nearCacheHits.inc({ namespace }),
    cacheRead: (outcome, source) => cacheReads.inc({ outcome, source }),
    bucketFlushed: (cause) => nearCacheBucketFlushes.inc({ cause }),
    redis: (role) => {
      const roundTripOf = new Map<string, HistogramSeries>();
      return {
        roundTrip: (node, durationMs) => {
          let handle = roundTripOf.get(node);
          if (handle === undefined) {
            const label = nodes(node);
            handle = roundTripOf.get(label) ?? roundTrips.create({ role, node: label });
            roundTripOf.set(label, handle);
          }
          handle.observe(durationMs / 1_000);
        },
        commandError: (node, code) =>
          redisErrorReplies.inc({ role, node: nodes(node), code: codes.has(code) ? code : OTHER }),
        reconnected: (node) => reconnects.inc({ role, node: nodes(node) }),
        connectionLost: (node, reason) => losses.inc({ role, node: nodes(node), reason: reasons(reason) }),
        valueDamaged: (code) => damagedValues.inc({ role, code }),
      };
    },
    onScrape: (role, read) => void healthByRole.set(role, read),
    memoryEvicted: (store) => evictions.inc({ store }),
    onMemoryScrape: (store, sizes) => void memorySizes.set(store, sizes),
    policyReload: (outcome) => reloads.inc({ outcome }),
    onPolicyScrape: (countProblems) => {
      countPolicyProblems = countProblems;
    },
    setPolicies: (current) => {
      policies.set(current.size);
      rateLimits.setPolicies(current);
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
    close: () => delay.disable(),
  };
}

function describe(row: MetricRow): { name: string; help: string; labelNames: string[] } {
  return { name: row.name, help: row.help, labelNames: [...row.labels] };
}

/** Returns a function that keeps the first `max` distinct values and replaces all others with `(other)`. */
function boundedLabel(max: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.has(value)) {
      return value;
    }
    if (known.size >= max) {
      return OTHER;
    }
    known.add(value);
    return value;
  };
}

/**
 * Registers the metrics of the process. This function does not use prom-client's default metrics, because these metrics
 * also observe the garbage collector, and the observation costs CPU time.
 */
function collectProcess(
  gauge: (row: MetricRow, collect?: (this: Gauge) => void) => Gauge,
  counter: (row: MetricRow, collect?: (this: Counter) => void) => Counter,
  { version, instance }: MetricsOptions,
): { disable(): void } {
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  gauge(METRICS.eventLoopDelay, function collect() {
    // Node measures the time between samples. An idle loop therefore yields the sampling interval, and an empty
    // histogram yields NaN.
    const seconds = (nanoseconds: number): number =>
      Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - DELAY_RESOLUTION_MS / 1e3) : 0;
    this.set({ quantile: '0.5' }, seconds(delay.percentile(50)));
    this.set({ quantile: '0.99' }, seconds(delay.percentile(99)));
    this.set({ quantile: '1' }, seconds(delay.max));
    delay.reset();
  });
  counter(METRICS.cpuSeconds, function collect() {
    const { user, system } = process.cpuUsage();
    this.reset();
    this.inc((user + system) / 1e6);
  });
  gauge(METRICS.residentMemory, function collect() {
    this.set(process.memoryUsage.rss());
  });
  gauge(METRICS.startTime).set(Math.round(Date.now() / 1_000 - process.uptime()));
  gauge(METRICS.buildInfo).set({ version }, 1);
  gauge(METRICS.instanceInfo).set({ instance }, 1);
  return delay;
}
