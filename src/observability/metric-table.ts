/**
 * Defines the metrics of the sidecar in one table, from which the registry and docs/operations/metrics.md are derived.
 *
 * Invariant: label values are elements of closed sets (methods, codes, outcomes) or of the configuration (policies,
 * namespaces, Redis nodes). Callers cannot add label values, so the number of series does not grow with traffic.
 */
export interface MetricRow {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

/**
 * Upper bounds of the histogram buckets in seconds. The bounds range from the duration of a near-cache hit to the
 * duration of a call that exceeds the default deadline.
 */
export const CALL_BUCKETS_S = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
];

export const METRICS = {
  calls: {
    name: 'pannier_grpc_calls_total',
    type: 'counter',
    labels: ['method', 'code'],
    help: 'Completed calls, by method and gRPC status code.',
  },
  callsInFlight: {
    name: 'pannier_grpc_calls_in_flight',
    type: 'gauge',
    labels: ['method'],
    help: 'Calls in flight, by method.',
  },
  callDuration: {
    name: 'pannier_grpc_call_duration_seconds',
    type: 'histogram',
    labels: ['method'],
    help: 'Time from the arrival of a unary call to its response, by method.',
  },
  connections: {
    name: 'pannier_grpc_connections',
    type: 'gauge',
    labels: [],
    help: 'Open connections of clients.',
  },
  connectionsDropped: {
    name: 'pannier_grpc_connections_dropped_total',
    type: 'counter',
    labels: ['reason'],
    help: 'Connections that the sidecar closed because the client violated HTTP/2 or exceeded a limit (enhance_your_calm), by HTTP/2 error code. Only the transport http2 counts these connections.',
  },
  decisions: {
    name: 'pannier_rate_limit_decisions_total',
    type: 'counter',
    labels: ['policy', 'outcome'],
    help: 'Rate-limit decisions, by policy and outcome: allowed, denied, failure_allowed (failed open) or failure_denied (failed closed). The policy is (inline) if the call contains its limits. Peeks are not counted.',
  },
  denials: {
    name: 'pannier_rate_limit_denials_total',
    type: 'counter',
    labels: ['policy', 'limit'],
    help: 'Denied checks, by policy and by the limit that denied the call (limit_name in the response). Calls that contain their limits are not counted.',
  },
  peeks: {
    name: 'pannier_rate_limit_peeks_total',
    type: 'counter',
    labels: ['policy', 'decided_by'],
    help: 'Peeks (checks with cost 0), by policy and by the source of the decision: store or failure_mode.',
  },
  unknownPolicyCalls: {
    name: 'pannier_rate_limit_unknown_policy_calls_total',
    type: 'counter',
    labels: [],
    help: 'Calls with a policy name that the policy file does not contain. Such calls ended with NOT_FOUND and without a decision.',
  },
  sessionsEvicted: {
    name: 'pannier_sessions_evicted_total',
    type: 'counter',
    labels: [],
    help: 'Sessions that a login ended because the user had reached sessions.max_per_user (at_max_per_user: evict).',
  },
  sessionLoginsRefused: {
    name: 'pannier_session_logins_refused_total',
    type: 'counter',
    labels: [],
    help: 'Logins that the sidecar refused because the user had reached sessions.max_per_user (at_max_per_user: refuse).',
  },
  cacheReads: {
    name: 'pannier_cache_reads_total',
    type: 'counter',
    labels: ['outcome', 'source'],
    help: 'Cache reads, by outcome (hit, absent, miss, skipped, unavailable) and source (near, store).',
  },
  nearCacheHits: {
    name: 'pannier_near_cache_hits_total',
    type: 'counter',
    labels: ['namespace'],
    help: 'Reads that the sidecar answered from the near cache, by configured namespace. All other namespaces have the label value (other). Prometheus renames the label to exported_namespace if the target has a namespace label.',
  },
  nearCacheBucketFlushes: {
    name: 'pannier_near_cache_bucket_flushes_total',
    type: 'counter',
    labels: ['cause'],
    help: 'Near-cache buckets that were invalidated as a whole, by cause. The cause gap means that messages were missed or that a failover lost changes.',
  },
  redisUp: {
    name: 'pannier_redis_up',
    type: 'gauge',
    labels: ['role'],
    help: '1 if the sidecar is connected to every known master of the role, or else 0.',
  },
  redisConflictingMasters: {
    name: 'pannier_redis_conflicting_masters',
    type: 'gauge',
    labels: ['role'],
    help: 'Standalone masters among the seeds that the sidecar does not use, because it cannot determine which of them contains the data. If the value is above 0, make all but one of these masters a replica.',
  },
  redisMasterChanges: {
    name: 'pannier_redis_master_changes_total',
    type: 'counter',
    labels: ['role'],
    help: 'Switches to another standalone master or deployment, and changes to the address behind the host name.',
  },
  redisSilentSentinels: {
    name: 'pannier_redis_silent_sentinels',
    type: 'gauge',
    labels: ['role'],
    help: 'Sentinels of the URL that return no master, because they are down, reject the login or do not monitor a master of this name. The sidecar exports this metric only with Sentinel.',
  },
  redisFormatRefused: {
    name: 'pannier_redis_format_refused',
    type: 'gauge',
    labels: ['role'],
    help: '1 while the sidecar refuses all calls of a role, because this release cannot read the format of the stored data.',
  },
  redisRefusals: {
    name: 'pannier_redis_refusals',
    type: 'gauge',
    labels: ['role', 'code'],
    help: '1 while Redis refuses commands or connections of a role with this error code (such as MISCONF or NOPERM), or else 0.',
  },
  redisDamagedValues: {
    name: 'pannier_redis_damaged_values_total',
    type: 'counter',
    labels: ['role', 'code'],
    help: 'Damaged values that the sidecar found and removed, by code: WRONGTYPE means a key of another type, and DAMAGED means an unreadable value. Either another program writes under the key prefix, or memory was corrupted.',
  },
  redisRoundTrip: {
    name: 'pannier_redis_round_trip_seconds',
    type: 'histogram',
    labels: ['role', 'node'],
    help: 'Time from sending a Redis command to its reply, by node.',
  },
  redisErrorReplies: {
    name: 'pannier_redis_error_replies_total',
    type: 'counter',
    labels: ['role', 'node', 'code'],
    help: 'Error replies of Redis, by node and error code. Cluster redirects are included.',
  },
  redisReconnects: {
    name: 'pannier_redis_reconnects_total',
    type: 'counter',
    labels: ['role', 'node'],
    help: 'Connections to Redis that were reestablished after a loss, by node.',
  },
  redisLosses: {
    name: 'pannier_redis_connections_lost_total',
    type: 'counter',
    labels: ['role', 'node', 'reason'],
    help: 'Lost connections to Redis, by node and reason. The reason silent means that the node stopped replying.',
  },
  memoryStoreEntries: {
    name: 'pannier_memory_store_entries',
    type: 'gauge',
    labels: ['store'],
    help: 'Entries of a memory store (rate_limit, session, cache). The sidecar exports this metric only without Redis. The store removes expired entries within seconds.',
  },
  memoryStoreBytes: {
    name: 'pannier_memory_store_bytes',
    type: 'gauge',
    labels: ['store'],
    help: 'Estimated size of a memory store, which PANNIER_MEMORY_STORE_MAX_BYTES limits. The sidecar exports this metric only without Redis.',
  },
  memoryStoreEvictions: {
    name: 'pannier_memory_store_evictions_total',
    type: 'counter',
    labels: ['store'],
    help: 'Live entries that a full memory store evicted. The sidecar counts evictions only for rate_limit, where the limits of the evicted subjects restart. Expired entries are not counted.',
  },
  policyReloads: {
    name: 'pannier_policy_reloads_total',
    type: 'counter',
    labels: ['outcome'],
    help: 'Detected changes to the policy file, by outcome: reloaded, or refused if any part of the file did not take effect.',
  },
  policies: {
    name: 'pannier_policies',
    type: 'gauge',
    labels: [],
    help: 'Policies in effect.',
  },
  policyFileProblems: {
    name: 'pannier_policy_file_problems',
    type: 'gauge',
    labels: [],
    help: 'Parts of the policy file (policies, cache namespaces, sessions) that do not take effect because of an error. The value is 1 if the file cannot be read or parsed, or if the ConfigMap lacks its key. /readyz shows the errors.',
  },
  eventLoopDelay: {
    name: 'pannier_event_loop_delay_seconds',
    type: 'gauge',
    labels: ['quantile'],
    help: 'Delay of the event loop since the last scrape: the median (0.5), the 99th percentile (0.99) and the maximum (1).',
  },
  residentMemory: {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    labels: [],
    help: 'Resident memory of the process.',
  },
  cpuSeconds: {
    name: 'process_cpu_seconds_total',
    type: 'counter',
    labels: [],
    help: 'User and system CPU time of the process.',
  },
  startTime: {
    name: 'process_start_time_seconds',
    type: 'gauge',
    labels: [],
    help: 'Start time of the process in Unix time.',
  },
  buildInfo: {
    name: 'pannier_build_info',
    type: 'gauge',
    labels: ['version'],
    help: 'Always 1. The label is the version of the program.',
  },
  instanceInfo: {
    name: 'pannier_instance_info',
    type: 'gauge',
    labels: ['instance'],
    help: 'Always 1. The label is the random instance id of this process, which the log and /readyz also show.',
  },
} as const satisfies Record<string, MetricRow>;

/** Opening of docs/operations/metrics.md. */
const PAGE_OPENING = `# Metrics

After reading this page, you know which metrics of a sidecar to watch first and what each metric means.

The admin address (\`PANNIER_ADMIN_ADDRESS\`, by default port 9471) serves all metrics at \`/metrics\` in the Prometheus text format:

\`\`\`console
$ curl -s http://127.0.0.1:9471/metrics | grep '^pannier_redis_up'
pannier_redis_up{role="state"} 1
pannier_redis_up{role="cache"} 1
\`\`\`

The label \`role\` shows which data a connection to Redis is for: \`state\` means limits and sessions, and \`cache\` means cached values. Both roles use the
same Redis, unless [\`PANNIER_CACHE_REDIS_URL\`](redis.md#the-url) is set. A sidecar without Redis exports no metric with this label.

In Kubernetes, run \`kubectl port-forward POD 9471\` to reach the admin port of a pod. If the Prometheus operator is installed, set the values
\`podMonitor.enabled\`, \`serviceMonitor.enabled\` and \`prometheusRule.enabled\` of the chart. Prometheus then scrapes all sidecars and the injector, and
evaluates the alerts below. [injector.md](../internals/injector.md#metrics) lists the metrics of the injector.

## What to watch first

| question | metric | alert of the chart |
|---|---|---|
| Does every sidecar reach its Redis? | \`pannier_redis_up\` | \`PannierRedisDown\` |
| Do failure modes decide rate limits? | \`pannier_rate_limit_decisions_total{outcome=~"failure_.*"}\` | \`PannierLimitsByFailureMode\` |
| Does Redis refuse commands? | \`pannier_redis_refusals\` | \`PannierRedisRefuses\` |
| Was a policy file refused? | \`pannier_policy_reloads_total{outcome="refused"}\` | \`PannierPolicyFileRefused\` |
| Does the policy file have errors? | \`pannier_policy_file_problems\` | \`PannierPolicyFileInvalid\` |
| Do callers name unknown policies? | \`pannier_rate_limit_unknown_policy_calls_total\` | \`PannierUnknownPolicies\` |
| Which policies deny calls? | \`pannier_rate_limit_decisions_total{outcome="denied"}\` | |
| Do calls fail, and with which code? | \`pannier_grpc_calls_total{code!="OK"}\` | |
| How fast are calls and Redis? | \`pannier_grpc_call_duration_seconds\`, \`pannier_redis_round_trip_seconds\` | |
| Is a sidecar short of CPU? | \`pannier_event_loop_delay_seconds{quantile="0.99"}\` | |

[troubleshooting.md](troubleshooting.md) describes what to do for each alert.

## All metrics

Label values come from closed sets or from configuration, so the number of series does not grow with traffic. This page is generated from
src/observability/metric-table.ts (\`make docs\`).
`;

export function metricsMarkdown(): string {
  const rows = Object.values(METRICS).map(
    (row: MetricRow) => `| \`${row.name}\` | ${row.type} | ${row.labels.join(', ') || '-'} | ${row.help} |`,
  );
  return [PAGE_OPENING, '| metric | type | labels | meaning |', '|---|---|---|---|', ...rows, ''].join('\n');
}
