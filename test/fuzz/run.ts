/**
 * Fuzzes the HTTP/2 server: `node test/fuzz/run.ts --executions N --seed S [--target NAME] [--from INDEX]`.
 *
 * The program prints the number of executions per target. At the first failure, the program prints a command that
 * reproduces the failure, and exits with code 1. The targets run in a worker, so that the main thread can detect an
 * endless loop: an execution that takes longer than HANG_MS fails.
 */
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { FastRandom } from '../support/http2/random.ts';
import { connectionTarget } from './connection.ts';
import { flowControlTarget } from './flow-control.ts';
import { frameReaderTarget } from './frame-reader.ts';
import { grpcTimeoutTarget } from './grpc-timeout.ts';
import { hpackTarget } from './hpack.ts';
import { huffmanTarget } from './huffman.ts';
import { liveBytes } from './live-bytes.ts';
import { messageReaderTarget } from './message-reader.ts';
import { requestHeadersTarget } from './request-headers.ts';
import type { FuzzTarget } from './target.ts';

const TARGETS: readonly FuzzTarget[] = [
  frameReaderTarget,
  hpackTarget,
  huffmanTarget,
  grpcTimeoutTarget,
  messageReaderTarget,
  requestHeadersTarget,
  connectionTarget,
  flowControlTarget,
];
const BATCH = 64;
/** Maximum number of turns of the event loop until handlers and writes must have finished. */
const TURNS = 6;
const HANG_MS = 30_000;
/** Maximum growth of live memory per target. Compiled code and memory pools cause normal growth. */
const MAX_GROWTH_BYTES = 48 * 1024 * 1024;

interface Plan {
  readonly executions: number;
  readonly seed: number;
  readonly target: string | undefined;
  readonly from: number;
}

type Report =
  | { readonly kind: 'done'; readonly target: string; readonly executions: number; readonly elapsedMs: number }
  | {
      readonly kind: 'failed';
      readonly target: string;
      readonly index: number;
      readonly count: number;
      readonly error: string;
    };

if (isMainThread) {
  await supervise(planOf(process.argv.slice(2)));
} else {
  const { plan, progress } = workerData as { plan: Plan; progress: Int32Array };
  await work(plan, progress);
}

function planOf(args: string[]): Plan {
  const { values } = parseArgs({
    args,
    options: {
      executions: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '1' },
      target: { type: 'string' },
      from: { type: 'string', default: '0' },
    },
  });
  const plan = {
    executions: Number(values.executions),
    seed: Number(values.seed),
    target: values.target,
    from: Number(values.from),
  };
  const isKnown = plan.target === undefined || TARGETS.some(({ name }) => name === plan.target);
  if (!isKnown || ![plan.executions, plan.seed, plan.from].every(Number.isSafeInteger)) {
    const names = TARGETS.map(({ name }) => name).join(', ');
    throw new Error(`arguments must be integers and one target of ${names}, got ${args.join(' ')}`);
  }
  return plan;
}

/** Prints the reports of the worker and detects a hang. Runs in the main thread. */
async function supervise(plan: Plan): Promise<void> {
  const progress = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(new URL(import.meta.url), { workerData: { plan, progress } });
  let total = 0;
  let hasFailed = false;
  worker.on('message', (report: Report) => {
    if (report.kind === 'done') {
      total += report.executions;
      const perSecond = Math.round((report.executions * 1_000) / Math.max(1, report.elapsedMs));
      print(`${report.target.padEnd(16)} ${report.executions} executions, ${perSecond}/s`);
    } else {
      hasFailed = true;
      print(`${report.target} FAILED: ${report.error}`);
      print(reproduction(plan, report.target, report.index, report.count));
    }
  });
  let before = [-1, -1];
  const watch = setInterval(() => {
    const now = [...progress];
    if (now[0] === before[0] && now[1] === before[1]) {
      const target = TARGETS[now[0] ?? 0]?.name ?? '';
      print(`${target} HANGS: one execution took longer than ${HANG_MS} ms`);
      print(reproduction(plan, target, now[1] ?? 0, 1));
      process.exit(1);
    }
    before = now;
  }, HANG_MS);
  await new Promise<void>((resolve) => {
    worker.on('error', (error) => {
      hasFailed = true;
      const [target = 0, index = 0] = progress;
      print(`${TARGETS[target]?.name} FAILED: ${error instanceof Error ? error.stack : error}`);
      print(reproduction(plan, TARGETS[target]?.name ?? '', Math.max(0, index - BATCH), 2 * BATCH));
    });
    worker.on('exit', () => resolve());
  });
  clearInterval(watch);
  print(`${total} executions in total, seed ${plan.seed}: ${hasFailed ? 'FAILED' : 'passed'}`);
  process.exitCode = hasFailed ? 1 : 0;
}

function reproduction(plan: Plan, target: string, index: number, count: number): string {
  return `reproduce it: node test/fuzz/run.ts --target ${target} --seed ${plan.seed} --from ${index} --executions ${count}`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Runs the targets one after the other until one of them fails. Runs in the worker. */
async function work(plan: Plan, progress: Int32Array): Promise<void> {
  const targets = plan.target === undefined ? TARGETS : TARGETS.filter(({ name }) => name === plan.target);
  const shares = targets.reduce((sum, { share }) => sum + share, 0);
  for (const target of targets) {
    progress[0] = TARGETS.indexOf(target);
    const executions = Math.ceil((plan.executions * target.share) / shares);
    const failure = await runTarget(target, { ...plan, executions }, progress);
    if (failure !== undefined) {
      parentPort?.postMessage(failure);
      return;
    }
  }
}

/** Runs a target. Returns a report of the first failure, or undefined. */
async function runTarget(target: FuzzTarget, plan: Plan, progress: Int32Array): Promise<Report | undefined> {
  const random = new FastRandom(plan.seed);
  const startMs = performance.now();
  let liveBefore = 0;
  for (let done = 0; done < plan.executions; done += BATCH) {
    const failure = await runBatch(target, random, {
      plan,
      progress,
      first: plan.from + done,
      last: plan.from + Math.min(plan.executions, done + BATCH),
    });
    if (failure !== undefined) {
      return failure;
    }
    if (done === BATCH) {
      liveBefore = await liveBytes();
    }
  }
  const grown = liveBefore === 0 ? 0 : (await liveBytes()) - liveBefore;
  if (grown > MAX_GROWTH_BYTES) {
    const error = `live memory must grow by at most ${MAX_GROWTH_BYTES} bytes, got ${grown}`;
    return { kind: 'failed', target: target.name, index: plan.from, count: plan.executions, error };
  }
  const elapsedMs = performance.now() - startMs;
  parentPort?.postMessage({
    kind: 'done',
    target: target.name,
    executions: plan.executions,
    elapsedMs,
  } satisfies Report);
  return undefined;
}

interface Batch {
  readonly plan: Plan;
  readonly progress: Int32Array;
  readonly first: number;
  readonly last: number;
}

async function runBatch(target: FuzzTarget, random: FastRandom, batch: Batch): Promise<Report | undefined> {
  const later: { index: number; end: () => void | Promise<void> }[] = [];
  for (let index = batch.first; index < batch.last; index += 1) {
    batch.progress[1] = index;
    random.reseed(batch.plan.seed, index);
    try {
      const outcome = target.run(random);
      if (outcome instanceof Promise) {
        // Without this empty handler, Node would report a rejection as unhandled before the loop below handles it.
        outcome.catch(() => {});
        later.push({ index, end: () => outcome });
      } else if (outcome !== undefined) {
        later.push({ index, end: outcome });
      }
    } catch (error) {
      return failed(target, index, error);
    }
  }
  for (let turn = 0; later.length > 0 && turn < TURNS; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (const { index, end } of later) {
    try {
      await end();
    } catch (error) {
      return failed(target, index, error);
    }
  }
  return undefined;
}

function failed(target: FuzzTarget, index: number, error: unknown): Report {
  const text = error instanceof Error ? String(error.stack) : String(error);
  return { kind: 'failed', target: target.name, index, count: 1, error: text };
}
