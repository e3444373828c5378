/**
 * `make soak` sends 50,000,000 calls to the built sidecar, in waves of clients that open and close their connections.
 *
 * The soak test passes if no call failed and live memory did not grow by more than a bound. Otherwise the exit code is 1. The test measures live
 * memory after a garbage collection, with no open connection. The growth is the live memory at the end, minus the smallest measurement between 10 %
 * and 50 % of the calls. Between these two points, V8 still frees memory that it allocated at start. The test only prints resident memory, because
 * resident memory also contains free memory. `ARGS=--help` lists the arguments.
 */
import { readArguments } from './arguments.ts';
import { chooseCores } from './cores.ts';
import { buildGoProgram } from './go-programs.ts';
import { isRunning, residentMegabytes } from './process-stats.ts';
import { startSidecar } from './servers.ts';
import { LiveHeap } from './soak/live-heap.ts';
import { HELP, parseOptions, type SoakOptions } from './soak/options.ts';
import { CONNECTIONS_PER_WAVE, type WaveCounts, WaveMaker } from './soak/wave.ts';

const MAX_WAVE_CALLS = 250_000;
/** Share of the calls after which caches are full. The test ignores earlier measurements of live memory. */
const SETTLED_SHARE = 0.1;
const HALF = 0.5;
const PROGRESS_MS = 5_000;
/** Number of failures after which the run ends, because further failures would show nothing new. */
const MAX_FAILURES = 1_000;

interface Outcome {
  readonly leastLiveBytes: number;
  readonly lastLiveBytes: number;
  readonly maxResidentMb: number;
  readonly waves: number;
  readonly elapsedMs: number;
  readonly counts: WaveCounts;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1);
}

function sum(values: Iterable<number>): number {
  return [...values].reduce((total, value) => total + value, 0);
}

function addUp(total: WaveCounts, wave: WaveCounts): void {
  total.answered += wave.answered;
  total.cancelled += wave.cancelled;
  total.tooLate += wave.tooLate;
  for (const [failure, count] of wave.failures) {
    total.failures.set(failure, (total.failures.get(failure) ?? 0) + count);
  }
}

function callsOf(counts: WaveCounts): number {
  return counts.answered + counts.tooLate + sum(counts.failures.values());
}

async function soak(options: SoakOptions, program: string): Promise<Outcome> {
  const cores = chooseCores();
  const heap = new LiveHeap();
  const sidecar = await startSidecar(
    { PANNIER_GRPC_TRANSPORT: options.transport, ...heap.environment },
    { core: cores.server },
  );
  const waves = new WaveMaker({ program, core: cores.load });
  const counts: WaveCounts = { answered: 0, cancelled: 0, tooLate: 0, failures: new Map() };
  const waveCalls = Math.min(MAX_WAVE_CALLS, Math.ceil(options.calls / 10));
  const startMs = performance.now();
  let saidMs = startMs;
  let leastLiveBytes = Number.POSITIVE_INFINITY;
  let maxResidentMb = 0;
  let waveCount = 0;
  while (callsOf(counts) < options.calls && sum(counts.failures.values()) < MAX_FAILURES) {
    addUp(counts, await waves.run(sidecar.address, waveCalls));
    waveCount += 1;
    if (!isRunning(sidecar.pid)) {
      sayFailures(counts);
      throw new Error(`cannot continue the soak: the sidecar ended after ${callsOf(counts)} of ${options.calls} calls`);
    }
    maxResidentMb = Math.max(maxResidentMb, residentMegabytes(sidecar.pid));
    const share = callsOf(counts) / options.calls;
    const isFirst = leastLiveBytes === Number.POSITIVE_INFINITY && share >= SETTLED_SHARE;
    if (isFirst || performance.now() - saidMs >= PROGRESS_MS) {
      saidMs = performance.now();
      const liveBytes = await heap.bytes(sidecar.pid);
      if (isFirst || (share >= SETTLED_SHARE && share <= HALF)) {
        leastLiveBytes = Math.min(leastLiveBytes, liveBytes);
      }
      sayProgress(options, counts, {
        liveBytes,
        residentMb: residentMegabytes(sidecar.pid),
        elapsedMs: saidMs - startMs,
      });
    }
  }
  const elapsedMs = performance.now() - startMs;
  const lastLiveBytes = await heap.bytes(sidecar.pid);
  await sidecar.stop();
  return {
    leastLiveBytes,
    lastLiveBytes,
    maxResidentMb,
    waves: waveCount,
    elapsedMs,
    counts,
  };
}

function sayProgress(
  options: SoakOptions,
  counts: WaveCounts,
  now: { liveBytes: number; residentMb: number; elapsedMs: number },
): void {
  const calls = callsOf(counts);
  const share = ((100 * calls) / options.calls).toFixed(1);
  const rate = Math.round((calls * 1_000) / now.elapsedMs);
  const failures = sum(counts.failures.values());
  say(
    `${share.padStart(5)} %  ${calls} calls, ${rate}/s, live ${megabytes(now.liveBytes)} MB, resident ${now.residentMb.toFixed(1)} MB, ${failures} failed`,
  );
}

function sayFailures(counts: WaveCounts): void {
  for (const [failure, count] of counts.failures) {
    say(`  ${count} x ${failure}`);
  }
}

function judge(options: SoakOptions, outcome: Outcome): boolean {
  const { counts, leastLiveBytes, lastLiveBytes } = outcome;
  const growth = lastLiveBytes - leastLiveBytes;
  const failures = sum(counts.failures.values());
  const hasGrown = growth >= options.maxGrowthBytes;
  say('');
  say(
    `${callsOf(counts)} calls in ${Math.round(outcome.elapsedMs / 1_000)} s over ${outcome.waves * CONNECTIONS_PER_WAVE} connections`,
  );
  say(`additionally ${counts.cancelled} calls cancelled; ${counts.tooLate} calls with a deadline of 1 ms exceeded it`);
  say(
    `live memory: minimum ${megabytes(leastLiveBytes)} MB between the first tenth and the half, ${megabytes(lastLiveBytes)} MB at the end`,
  );
  say(`resident memory: maximum ${outcome.maxResidentMb.toFixed(1)} MB`);
  say(
    `${hasGrown ? 'FAILED' : 'passed'}: live memory grew by ${megabytes(growth)} MB, must be below ${megabytes(options.maxGrowthBytes)}`,
  );
  say(`${failures > 0 ? 'FAILED' : 'passed'}: ${failures} calls failed, must be 0`);
  sayFailures(counts);
  return !hasGrown && failures === 0;
}

const options = readArguments(parseOptions, HELP);
const program = buildGoProgram('load');
if ('missing' in program) {
  process.stderr.write(`cannot build the load generator: ${program.missing}\n`);
  process.exit(1);
}
process.exitCode = judge(options, await soak(options, program.path)) ? 0 : 1;
