/**
 * Chooses the load generator for a row: the program in bench/load if Go is installed, otherwise the client on node:http2.
 *
 * The client on node:http2 only supports closed loops, and costs as much CPU as the servers that it calls. The benchmark reports the missing
 * figures.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pinned } from '../cores.ts';
import { buildGoProgram } from '../go-programs.ts';
import type { LoadJob, LoadResult } from '../http2-load.ts';
import { cpuMicroseconds, residentMegabytes } from '../process-stats.ts';
import { type CallBytes, SUBJECT_PLACEHOLDER, SUBJECTS } from './calls.ts';
import type { Load } from './rows.ts';

export interface Figures {
  readonly callsPerSecond: number;
  /** CPU of the server per call, in microseconds. */
  readonly cpuUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly residentMb: number;
  /** Share of a core that the server used. */
  readonly serverShare: number;
  /** Share of the time for which the server's threads were ready to run but had no core. NaN if the client does not report this share. */
  readonly serverWaitShare: number;
  /** Number of calls with an error or an unexpected response. */
  readonly failed: number;
}

interface Target {
  readonly pid: number;
  /** host:port, or unix:PATH */
  readonly address: string;
  readonly call: CallBytes;
  readonly load: Load;
  readonly warmSeconds: number;
  readonly seconds: number;
}

export interface LoadClient {
  readonly name: string;
  /** Names of the figures that this client cannot measure, as text. Empty if the client can measure all figures. */
  readonly lacks: string;
  canMeasure(load: Load): boolean;
  measure(target: Target): Promise<Figures>;
}

/** Fields of bench/load's JSON output that the benchmark uses. */
interface Report {
  readonly Calls: number;
  readonly OpsPerSec: number;
  readonly LatencyUs: { readonly P50: number; readonly P99: number; readonly P999: number };
  readonly Errors: Readonly<Record<string, number>>;
  readonly Verdicts: Readonly<Record<string, number>>;
  readonly Server: {
    readonly CPUPerCallUs: number;
    readonly CPUPct: number;
    readonly WaitPct: number;
    readonly RSSEndMB: number;
  };
}

/** Names of clients: `h2` and `grpc` are engines of the generator in Go, and `node` is the client on node:http2. */
export const CLIENT_NAMES = ['h2', 'grpc', 'node'] as const;
export type ClientName = (typeof CLIENT_NAMES)[number];

/** Returns the client with this name, or the client on node:http2 if the build of the generator fails. */
export function chooseLoadClient(options: {
  name: ClientName;
  core: number | undefined;
  say: (text: string) => void;
}): LoadClient {
  const { name, core } = options;
  if (name === 'node') {
    return createNodeClient({ core });
  }
  const program = buildGoProgram('load');
  if ('missing' in program) {
    options.say(`NOT BUILT: the load generator: ${program.missing}`);
    return createNodeClient({ core });
  }
  return createGoClient({ path: program.path, engine: name, core });
}

function createGoClient(options: { path: string; engine: string; core: number | undefined }): LoadClient {
  const requests = new RequestFiles();
  return {
    name: `bench/load, engine ${options.engine}`,
    lacks: '',
    canMeasure: () => true,
    measure: async (target) => {
      const { load, call } = target;
      const shape =
        load.kind === 'closed'
          ? ['-mode', 'closed', '-c', String(load.callers)]
          : ['-mode', 'open', '-rate', String(load.rate)];
      const [command, args] = pinned(options.core, options.path, [
        ...['-addr', target.address, '-pid', String(target.pid), '-engine', options.engine, '-json'],
        ...['-method', call.path, '-req-file', requests.fileOf(call), '-placeholder', SUBJECT_PLACEHOLDER],
        ...['-keys', String(SUBJECTS), '-conns', String(load.connections), ...shape],
        ...['-warm', `${target.warmSeconds}s`, '-d', `${target.seconds}s`],
        ...(call.verdict === undefined ? [] : ['-verdict', String(call.verdict.field)]),
      ]);
      const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const output = await text(child.stdout);
      if (output === '') {
        throw new Error(`cannot measure ${call.path} on ${target.address}: the load generator ended without a report`);
      }
      return figuresOf(JSON.parse(output) as Report, call);
    },
  };
}

function figuresOf(report: Report, call: CallBytes): Figures {
  const errors = Object.values(report.Errors).reduce((sum, count) => sum + count, 0);
  const answers = Object.values(report.Verdicts).reduce((sum, count) => sum + count, 0);
  const right = call.verdict === undefined ? answers : (report.Verdicts[call.verdict.value] ?? 0);
  return {
    callsPerSecond: report.OpsPerSec,
    cpuUs: report.Server.CPUPerCallUs,
    p50Us: report.LatencyUs.P50,
    p99Us: report.LatencyUs.P99,
    p999Us: report.LatencyUs.P999,
    residentMb: report.Server.RSSEndMB,
    serverShare: report.Server.CPUPct / 100,
    serverWaitShare: report.Server.WaitPct / 100,
    failed: errors + answers - right,
  };
}

/** Writes the bytes of calls to files, and removes the files when the process exits. */
class RequestFiles {
  readonly #directory = mkdtempSync(join(tmpdir(), 'pannier-bench-requests-'));
  readonly #paths = new Map<CallBytes, string>();

  constructor() {
    process.once('exit', () => rmSync(this.#directory, { recursive: true, force: true }));
  }

  fileOf(call: CallBytes): string {
    let path = this.#paths.get(call);
    if (path === undefined) {
      path = join(this.#directory, `${this.#paths.size}.bin`);
      writeFileSync(path, call.request);
      this.#paths.set(call, path);
    }
    return path;
  }
}

function createNodeClient(options: { core: number | undefined }): LoadClient {
  return {
    name: 'the client on node:http2',
    lacks: 'rows with fixed rates, and a check that the store decided the answers',
    canMeasure: (load) => load.kind === 'closed',
    measure: async (target) => {
      if (target.load.kind !== 'closed') {
        throw new Error(`load must be a closed loop for the client on node:http2, got ${target.load.name}`);
      }
      const job: LoadJob = {
        address: target.address,
        path: target.call.path,
        request: target.call.request.toString('base64'),
        keys: SUBJECTS,
        callers: target.load.callers,
        connections: target.load.connections,
        warmupMs: target.warmSeconds * 1_000,
        durationMs: target.seconds * 1_000,
      };
      return await runNodeJob(job, target.pid, options.core);
    },
  };
}

async function runNodeJob(job: LoadJob, pid: number, core: number | undefined): Promise<Figures> {
  const [command, args] = pinned(core, process.execPath, [join(import.meta.dirname, '..', 'http2-load.ts')]);
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(job));
  let output = '';
  let cpuAtStart: number | undefined;
  for await (const chunk of child.stdout) {
    output += String(chunk);
    if (output.startsWith('warm\n')) {
      cpuAtStart ??= cpuMicroseconds(pid);
    }
  }
  const cpuUs = cpuMicroseconds(pid) - (cpuAtStart ?? 0);
  const result = JSON.parse(output.split('\n')[1] ?? '') as LoadResult;
  return {
    callsPerSecond: (result.calls * 1_000) / result.elapsedMs,
    cpuUs: cpuUs / result.calls,
    p50Us: result.p50Us,
    p99Us: result.p99Us,
    p999Us: result.p999Us,
    residentMb: residentMegabytes(pid),
    serverShare: cpuUs / (result.elapsedMs * 1_000),
    serverWaitShare: Number.NaN,
    failed: result.errors,
  };
}
