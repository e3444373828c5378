/**
 * Every metric that the sidecar exports, a row each: docs/operations/metrics.md and the registry come from it.
 *
 * Label values come from closed sets (methods, codes, outcomes) or from what an operator configured (policies, namespaces, Redis nodes),
 * never from what callers send, so the number of series does not grow with traffic.
 */
export interface MetricRow {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

/** Seconds: from a near-cache hit to a call that a default deadline ends. */
export const CALL_BUCKETS_S = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
];

export const METRICS = {
  calls: {
    name: 'pannier_grpc_calls_total',
    type: 'counter',
    labels: ['method', 'code'],
    help: 'Calls that ended, by method and gRPC status code.',
  },
  callsInFlight: {
    name: 'pannier_grpc_calls_in_flight',
    type: 'gauge',
    labels: ['method'],
    help: 'Calls in flight.',
  },
  callDuration: {
    name: 'pannier_grpc_call_duration_seconds',
    type: 'histogram',
    labels: ['method'],
    help: 'From the arrival of a unary call to its answer.',
  },
  connections: {
    name: 'pannier_grpc_connections',
    type: 'gauge',
    labels: [],
    help: 'Connections of callers that are open.',
  },
  connectionsDropped: {
    name: 'pannier_grpc_connections_dropped_total',
    type: 'counter',
    labels: ['reason'],
    help: 'Connections cut off because their caller broke a rule of HTTP/2 or a limit (enhance_your_calm), by its error code. Transport http2 only.',
  },
  decisions: {
    name: 'pannier_rate_limit_decisions_total',
    type: 'counter',
    labels: ['policy', 'outcome'],
    help: 'Rate-limit decisions, by policy ((inline) for limits given in the call) and outcome: allowed, denied, failure_allowed, failure_denied. Peeks are not counted.',
  },
  denials: {
    name: 'pannier_rate_limit_denials_total',
    type: 'counter',
    labels: ['policy', 'limit'],
    help: 'Checks that a policy denied, by the limit that decided (limit_name of the answer). Limits given in the call are not counted here.',
  },
  peeks: {
    name: 'pannier_rate_limit_peeks_total',
    type: 'counter',
    labels: ['policy', 'decided_by'],
    help: 'Peeks, which are no decisions, by policy and by what answered them: store or failure_mode.',
  },
  unknownPolicyCalls: {
    name: 'pannier_rate_limit_unknown_policy_calls_total',
    type: 'counter',
    labels: [],
    help: 'Calls that named a policy which the policy file does not have. They ended as NOT_FOUND, without a decision.',
  },
  sessionsEvicted: {
    name: 'pannier_sessions_evicted_total',
    type: 'counter',
    labels: [],
    help: 'Sessions that ended because their user logged in with as many as sessions.max_per_user allows (at_max_per_user: evict).',
  },
  sessionLoginsRefused: {
    name: 'pannier_session_logins_refused_total',
    type: 'counter',
    labels: [],
    help: 'Logins refused because the user had as many sessions as sessions.max_per_user allows (at_max_per_user: refuse).',
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
    help: 'Reads answered from the near cache, by configured namespace, else (other). Prometheus calls the label exported_namespace where its target has a namespace.',
  },
  nearCacheBucketFlushes: {
    name: 'pannier_near_cache_bucket_flushes_total',
    type: 'counter',
    labels: ['cause'],
    help: 'Buckets of the near cache that were invalidated as a whole. Cause gap means that messages were missed, or that a failover lost changes.',
  },
  redisUp: {
    name: 'pannier_redis_up',
    type: 'gauge',
    labels: ['role'],
    help: '1 when every known master is connected.',
  },
  redisConflictingMasters: {
    name: 'pannier_redis_conflicting_masters',
    type: 'gauge',
    labels: ['role'],
    help: 'Standalone masters among the seeds that are not used, because nothing proves that they hold the data. Above 0, make all but one a replica.',
  },
  redisMasterChanges: {
    name: 'pannier_redis_master_changes_total',
    type: 'counter',
    labels: ['role'],
    help: 'Changes to another standalone master or to another deployment, and moves of the host name.',
  },
  redisSilentSentinels: {
    name: 'pannier_redis_silent_sentinels',
    type: 'gauge',
    labels: ['role'],
    help: 'Sentinels of the URL that name no master, because they are down, refuse the login or do not know the name. No series without Sentinel.',
  },
  redisFormatRefused: {
    name: 'pannier_redis_format_refused',
    type: 'gauge',
    labels: ['role'],
    help: '1 while all calls of a role are refused, because the stored data has a format that this release does not read.',
  },
  redisRefusals: {
    name: 'pannier_redis_refusals',
    type: 'gauge',
    labels: ['role', 'code'],
    help: '1 while Redis refuses commands or connections of a role with this error code (MISCONF, NOPERM ...), 0 once that is over.',
  },
  redisDamagedValues: {
    name: 'pannier_redis_damaged_values_total',
    type: 'counter',
    labels: ['role', 'code'],
    help: 'Damaged values that were met and removed: WRONGTYPE is a key of another type, DAMAGED a value that cannot be read. Another program writes under our key prefix, or memory was corrupted.',
  },
  redisRoundTrip: {
    name: 'pannier_redis_round_trip_seconds',
    type: 'histogram',
    labels: ['role', 'node'],
    help: 'From sending a command to its reply, by node.',
  },
  redisErrorReplies: {
    name: 'pannier_redis_error_replies_total',
    type: 'counter',
    labels: ['role', 'node', 'code'],
    help: 'Error replies, by node and Redis error code (redirects among them).',
  },
  redisReconnects: {
    name: 'pannier_redis_reconnects_total',
    type: 'counter',
    labels: ['role', 'node'],
    help: 'Connections that came back after they had been lost.',
  },
  redisLosses: {
    name: 'pannier_redis_connections_lost_total',
    type: 'counter',
    labels: ['role', 'node', 'reason'],
    help: 'Connections lost, by node and reason; silent is a node that stopped answering.',
  },
  memoryStoreEntries: {
    name: 'pannier_memory_store_entries',
    type: 'gauge',
    labels: ['store'],
    help: 'Entries of a memory store (no Redis): rate_limit, session, cache. Ended ones leave within seconds.',
  },
  memoryStoreBytes: {
    name: 'pannier_memory_store_bytes',
    type: 'gauge',
    labels: ['store'],
    help: 'Bytes of a memory store by its own count, which its bound is held against.',
  },
  memoryStoreEvictions: {
    name: 'pannier_memory_store_evictions_total',
    type: 'counter',
    labels: ['store'],
    help: 'Live limits that a full memory store gave up (rate_limit): they start anew. Ended ones are not counted.',
  },
  policyReloads: {
    name: 'pannier_policy_reloads_total',
    type: 'counter',
    labels: ['outcome'],
    help: 'Changes of the policy file that were seen: reloaded or refused.',
  },
  policies: {
    name: 'pannier_policies',
    type: 'gauge',
    labels: [],
    help: 'Policies in force.',
  },
  eventLoopDelay: {
    name: 'pannier_event_loop_delay_seconds',
    type: 'gauge',
    labels: ['quantile'],
    help: 'Delay of the event loop since the last scrape, median and 99th percentile and maximum (1).',
  },
  residentMemory: {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    labels: [],
    help: 'Resident memory.',
  },
  cpuSeconds: {
    name: 'process_cpu_seconds_total',
    type: 'counter',
    labels: [],
    help: 'User and system CPU time.',
  },
  startTime: {
    name: 'process_start_time_seconds',
    type: 'gauge',
    labels: [],
    help: 'Start of the process, Unix time.',
  },
  buildInfo: {
    name: 'pannier_build_info',
    type: 'gauge',
    labels: ['version'],
    help: '1, with the version of the program.',
  },
  instanceInfo: {
    name: 'pannier_instance_info',
    type: 'gauge',
    labels: ['instance'],
    help: '1, with the random instance id of this process, which the log and /readyz show too.',
  },
} as const satisfies Record<string, MetricRow>;

export function metricsMarkdown(): string {
  const rows = Object.values(METRICS).map(
    (row: MetricRow) => `| \`${row.name}\` | ${row.type} | ${row.labels.join(', ') || '-'} | ${row.help} |`,
  );
  return [
    '# Metrics',
    '',
    'Served in the Prometheus text form at `/metrics` of the admin address. Label values come from closed sets or from configuration, so',
    'the number of series does not grow with traffic. This page is generated from src/observability/metric-table.ts (`make docs`).',
    '',
    '| metric | type | labels | meaning |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
