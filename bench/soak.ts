/**
 * `make soak`: 50,000,000 calls against the built sidecar, in waves of clients whose connections come and go.
 *
 * Passes when no call failed and what is live after a garbage collection, with no connection open, grew by less than a bound
 * since it was least (after the first tenth of the calls, until their half: V8 gives up in that time what only starting took);
 * exits 1 otherwise. Resident memory is printed beside it: it shows what the system gave, not what is in use. `ARGS=--help`
 * lists the arguments.
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
/** Of the calls: what is live before that is still being filled. */
const SETTLED_SHARE = 0.1;
const HALF = 0.5;
const PROGRESS_MS = 5_000;
/** After this many the run ends: the rest would say the same. */
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
      throw new Error(`cannot soak: the sidecar ended after ${callsOf(counts)} calls, wanted ${options.calls}`);
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
  say(`besides, ${counts.cancelled} cancelled; ${counts.tooLate} of the calls with a deadline of 1 ms were too late`);
  say(
    `live at least ${megabytes(leastLiveBytes)} MB between the first tenth and the half, at the end ${megabytes(lastLiveBytes)} MB`,
  );
  say(`resident at most ${outcome.maxResidentMb.toFixed(1)} MB`);
  say(
    `${hasGrown ? 'FAILED' : 'passed'}: grew by ${megabytes(growth)} MB, wanted below ${megabytes(options.maxGrowthBytes)}`,
  );
  say(`${failures > 0 ? 'FAILED' : 'passed'}: ${failures} calls failed, wanted 0`);
  sayFailures(counts);
  return !hasGrown && failures === 0;
}

const options = readArguments(parseOptions, HELP);
const program = buildGoProgram('load');
if ('missing' in program) {
  process.stderr.write(`cannot soak: the load generator is not built (${program.missing}), wanted Go and bench/load\n`);
  process.exit(1);
}
process.exitCode = judge(options, await soak(options, program.path)) ? 0 : 1;
