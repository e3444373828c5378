/**
 * `make bench` measures the time from the start to the first response, idle memory with both stores, memory under load, and the CPU time per call.
 * The same run measures a baseline. `ARGS=--quick` is a short run. Absolute figures depend on the machine, so compare the ratios.
 *
 * The load comes from a separate process (node:http2, closed loop, 64 callers over 4 connections). CPU time is the time that the kernel charged to
 * the server process during the run, so it does not depend on the speed of the load generator.
 */
import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';
import type { LoadJob, LoadResult } from './http2-load.ts';
import { cpuMicroseconds, residentMegabytes } from './process-stats.ts';
import { type BenchServer, startBaseline, startRedisServer, startSidecar } from './servers.ts';
import { type Candidate, measureStarts, type Starts } from './starts.ts';

const isQuick = process.argv.includes('--quick');
const durationMs = isQuick ? 1_500 : 5_000;
const starts = isQuick ? 3 : 10;

interface Call {
  name: string;
  service: string;
  method: string;
  request: object;
  /** Call that the benchmark sends once before the load. */
  before?: Call;
}

const definitions = protoLoader.loadSync(
  ['pannier/v1/rate_limit.proto', 'pannier/v1/session.proto', 'pannier/v1/cache.proto'],
  { includeDirs: [join(import.meta.dirname, '..', 'proto')] },
);

const storeValue: Call = {
  name: 'CacheSet',
  service: 'CacheService',
  method: 'CacheSet',
  request: { namespace: 'bench', key: Buffer.from('key'), value: Buffer.alloc(100, 1) },
};

const CALLS: readonly Call[] = [
  {
    name: 'CheckRateLimit, token bucket, 10,000 subjects',
    service: 'RateLimitService',
    method: 'CheckRateLimit',
    request: {
      key: 'subject-00000000',
      limits: [{ name: 'a', algorithm: 'ALGORITHM_TOKEN_BUCKET', limit: 1_000_000, windowMs: 60_000 }],
    },
  },
  {
    name: 'CheckRateLimit, four limits at once',
    service: 'RateLimitService',
    method: 'CheckRateLimit',
    request: {
      key: 'subject-00000000',
      limits: ['FIXED_WINDOW', 'SLIDING_WINDOW_COUNTER', 'TOKEN_BUCKET', 'LEAKY_BUCKET'].map((algorithm) => ({
        name: algorithm.toLowerCase(),
        algorithm: `ALGORITHM_${algorithm}`,
        limit: 1_000_000,
        windowMs: 60_000,
      })),
    },
  },
  {
    name: 'CacheGet, a hit of 100 bytes',
    service: 'CacheService',
    method: 'CacheGet',
    request: { namespace: 'bench', key: Buffer.from('key') },
    before: storeValue,
  },
];

/**
 * Returns a call for an existing session. The benchmark must create this session first, because the server chooses the
 * id.
 */
function getSession(sessionId: string): Call {
  return { name: 'GetSession, of a guest', service: 'SessionService', method: 'GetSession', request: { sessionId } };
}

interface MethodDefinition {
  path: string;
  requestSerialize(value: object): Buffer;
  responseDeserialize(bytes: Buffer): object;
}

function methodOf(service: string, name: string): MethodDefinition {
  const methods = definitions[`pannier.v1.${service}`] as unknown as Record<string, MethodDefinition>;
  const method = methods[name];
  if (method === undefined) {
    throw new Error(`cannot measure ${name}: the protos do not contain this method`);
  }
  return method;
}

const BASELINE_PATH = '/bench.Baseline/Empty';

/** Sends one call that is not part of the load. */
function callOnce(address: string, call: Call, path?: string): Promise<Record<string, unknown>> {
  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  const method = methodOf(call.service, call.method);
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path ?? method.path,
      method.requestSerialize,
      method.responseDeserialize,
      call.request,
      (error, response) => {
        client.close();
        if (error === null) {
          resolve(response as Record<string, unknown>);
        } else {
          reject(error);
        }
      },
    );
  });
}

function jobOf(call: Call, address: string, load: Partial<LoadJob> = {}): LoadJob {
  const method = methodOf(call.service, call.method);
  return {
    address,
    path: method.path,
    request: method.requestSerialize(call.request).toString('base64'),
    keys: 10_000,
    callers: 64,
    connections: 4,
    warmupMs: durationMs / 3,
    durationMs,
    ...load,
  };
}

interface Measured extends LoadResult {
  cpuUs: number;
  residentMb: number;
}

async function measure(job: LoadJob, server: BenchServer): Promise<Measured> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'http2-load.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify(job));
  let output = '';
  let cpuAtStart = 0;
  for await (const chunk of child.stdout) {
    output += String(chunk);
    if (cpuAtStart === 0 && output.startsWith('warm\n')) {
      cpuAtStart = cpuMicroseconds(server.pid);
    }
  }
  const cpu = cpuMicroseconds(server.pid) - cpuAtStart;
  const result = JSON.parse(output.split('\n')[1] ?? '') as LoadResult;
  return { ...result, cpuUs: cpu / result.calls, residentMb: residentMegabytes(server.pid) };
}

function print(...columns: (string | number)[]): void {
  const [name, ...rest] = columns;
  process.stdout.write(`${String(name).padEnd(58)}${rest.map((column) => String(column).padStart(14)).join('')}\n`);
}

async function benchStarts(redisUrl: string | undefined): Promise<void> {
  const candidates: Candidate[] = [
    {
      name: 'baseline: empty grpc-js server',
      start: startBaseline,
      call: (server) => callOnce(server.address, storeValue, BASELINE_PATH),
    },
    sidecarOn('memory store', {}),
    ...(redisUrl === undefined ? [] : [sidecarOn('Redis, standalone', { PANNIER_REDIS_URL: redisUrl })]),
  ];
  print(`median of ${starts} starts (x baseline)`, 'ready ms', 'answered ms', 'anonymous MB', 'resident MB');
  const [baseline, memory, redisStarts] = await measureStarts(candidates, starts);
  for (const measured of [baseline, memory, redisStarts]) {
    if (measured !== undefined && baseline !== undefined) {
      printStarts(measured, baseline);
    }
  }
  if (redisStarts !== undefined && memory !== undefined) {
    print('  Redis / memory store', ...FIGURES.map((figure) => (redisStarts[figure] / memory[figure]).toFixed(2)));
  }
  const image = imageMegabytes();
  print('image, MB', image === undefined ? 'NOT BUILT (make image)' : image.toFixed(0));
}

const FIGURES = ['readyMs', 'answeredMs', 'anonymousMb', 'residentMb'] as const;

function sidecarOn(name: string, settings: Record<string, string>): Candidate {
  return {
    name,
    start: () => startSidecar(settings),
    call: (server) => callOnce(server.address, CALLS[0] as Call),
  };
}

function printStarts(measured: Starts, baseline: Starts): void {
  const columns = FIGURES.map((figure) => {
    const value = measured[figure].toFixed(figure.endsWith('Ms') ? 0 : 1);
    return `${value} (${(measured[figure] / baseline[figure]).toFixed(2)})`;
  });
  print(`  ${measured.name}`, ...columns);
}

/** Returns the size of the image that `make image` builds, or undefined if there is no container engine or no image. */
function imageMegabytes(): number | undefined {
  try {
    const size = execFileSync(
      'docker',
      ['image', 'inspect', '--format', '{{.Size}}', process.env.IMAGE ?? 'pannier:dev'],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    return Number(size) / 1_000_000;
  } catch {
    return undefined;
  }
}

async function benchCalls(title: string, settings: Record<string, string>): Promise<void> {
  process.stdout.write('\n');
  print(title, 'CPU us/call', 'x baseline', 'calls/s', 'p50 us', 'p99 us', 'errors', 'RSS MB');
  const baseline = await startBaseline();
  const empty: LoadJob = { ...jobOf(storeValue, baseline.address), path: BASELINE_PATH };
  const floor = await measure(empty, baseline);
  await baseline.stop();
  printCall('baseline: empty grpc-js handler', floor, floor);
  const sidecar = await startSidecar(settings);
  const created = await callOnce(sidecar.address, {
    ...storeValue,
    service: 'SessionService',
    method: 'CreateSession',
    request: {},
  });
  const { sessionId } = created.session as { sessionId: string };
  for (const call of [...CALLS, getSession(sessionId)]) {
    if (call.before !== undefined) {
      await callOnce(sidecar.address, call.before);
    }
    printCall(call.name, await measure(jobOf(call, sidecar.address), sidecar), floor);
  }
  await sidecar.stop();
}

function printCall(name: string, measured: Measured, floor: Measured): void {
  print(
    `  ${name}`,
    measured.cpuUs.toFixed(1),
    (measured.cpuUs / floor.cpuUs).toFixed(2),
    Math.round((measured.calls * 1_000) / measured.elapsedMs),
    measured.p50Us,
    measured.p99Us,
    measured.errors,
    measured.residentMb.toFixed(1),
  );
}

const redis = await startRedisServer();
await benchStarts(redis === undefined ? undefined : `redis://${redis.address}`);
await benchCalls('memory store', {});
if (redis === undefined) {
  process.stdout.write('\nNOT RUN: calls on Redis (redis-server not found; install Redis 7.0 or later)\n');
} else {
  await benchCalls('Redis, standalone', { PANNIER_REDIS_URL: `redis://${redis.address}` });
  await redis.stop();
}
