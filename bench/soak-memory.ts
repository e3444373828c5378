/**
 * `make soak-memory` fills the memory stores of the built sidecar beyond their bounds, with the heap flags that the chart sets for 192Mi.
 *
 * The soak test checks limits of distinct subjects, fills the stores of cache entries and sessions, and then checks more limits. Some of the limits
 * expire during the run. The test passes if the sidecar answered every call, and if its store decided every check. The resident memory of the sidecar
 * must also stay below 192 MiB and stop growing once the stores are full. Otherwise the exit code is 1. `ARGS=--help` lists the arguments.
 */
import { readArguments } from './arguments.ts';
import { chooseCores } from './cores.ts';
import { isRunning } from './process-stats.ts';
import { type BenchServer, startSidecar } from './servers.ts';
import { type Ended, GrpcCaller } from './soak/grpc-caller.ts';
import {
  type Call,
  CHECKS_PER_BATCH,
  cacheSet,
  checkBatch,
  createSession,
  decidedByStore,
} from './soak/memory-calls.ts';
import { HELP, type MemorySoakOptions, parseMemoryOptions } from './soak/memory-options.ts';
import { type PhaseMemory, ResidentWatch } from './soak/resident-watch.ts';

/** Heap flags of the chart and the injector for a container of 192Mi. Tests in test/chart and inject-pod.test.ts check these flags. */
const HEAP_FLAGS = '--max-semi-space-size=4 --max-old-space-size=96';
const MAX_RESIDENT_MB = (192 * 1_048_576) / 1_000_000;
/**
 * Maximum growth of resident memory from the first to the second half of a phase, in MB. The growth includes garbage that V8 has not collected yet.
 */
const MAX_GROWTH_MB = 12;
/** Number of subjects, several times as many as the store of limits can contain. */
const FILL_SUBJECTS = 300_000;
/** Share of the subjects that the soak test checks after all stores are full. */
const LAST_SHARE = 0.1;
/** Share of the total time that the checks may take before the soak test fills the other stores. */
const CHECKS_TIME_SHARE = 0.8;
/** Number of entries, several times as many as the cache store can contain. */
const CACHE_ENTRIES = 30_000;
const MAX_SESSIONS = 200_000;
/** Number of rejected sessions after which the soak test assumes that the store of sessions is full. */
const REFUSED_SESSIONS = 500;
const PROGRESS_MS = 5_000;
const MAX_FAILURES = 20;
const OK = '0';
const RESOURCE_EXHAUSTED = '8';

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

class MemorySoak {
  readonly #options: MemorySoakOptions;
  readonly #sidecar: BenchServer;
  readonly #caller: GrpcCaller;
  readonly #resident: ResidentWatch;
  readonly #startMs = performance.now();
  readonly #endMs: number;
  readonly #failures = new Map<string, number>();
  #failureCount = 0;
  #subjects = 0;
  #saidMs = 0;

  constructor(options: MemorySoakOptions, sidecar: BenchServer) {
    this.#options = options;
    this.#sidecar = sidecar;
    this.#endMs = this.#startMs + options.maxMinutes * 60_000;
    this.#caller = new GrpcCaller(sidecar.address);
    this.#resident = new ResidentWatch(sidecar.pid);
  }

  /** Runs all phases and returns whether the soak test passed. */
  async run(): Promise<boolean> {
    const { subjects, maxMinutes } = this.#options;
    const lastSubjects = Math.round(subjects * LAST_SHARE);
    const checksEndMs = this.#startMs + maxMinutes * 60_000 * CHECKS_TIME_SHARE;
    await this.#check(Math.min(FILL_SUBJECTS, subjects - lastSubjects), checksEndMs);
    const filled = this.#resident.endPhase('limits fill up');
    await this.#check(subjects - lastSubjects, checksEndMs);
    const checked = this.#resident.endPhase('limits are full');
    const checkedSubjects = this.#subjects;
    const refusedSessions = await this.#fillOtherStores();
    const filledAll = this.#resident.endPhase('cache and sessions fill up');
    await this.#check(checkedSubjects + lastSubjects, this.#endMs);
    const last = this.#resident.endPhase('all stores are full');
    const isAlive = isRunning(this.#sidecar.pid);
    this.#caller.close();
    this.#resident.close();
    say('');
    for (const { name, maxFirstHalfMb, maxSecondHalfMb } of [filled, checked, filledAll, last]) {
      say(
        `${name}: resident at most ${maxFirstHalfMb.toFixed(1)} MB, in the second half ${maxSecondHalfMb.toFixed(1)} MB`,
      );
    }
    return this.#judge({ isAlive, refusedSessions, flatPhases: [checked, last] });
  }

  /** Checks new subjects until the soak has checked `subjects` in total, or until `endMs`. */
  async #check(subjects: number, endMs: number): Promise<void> {
    let batches = 0;
    const next = (): Call | undefined => {
      if (this.#subjects >= subjects || performance.now() >= endMs || this.#failureCount >= MAX_FAILURES) {
        return undefined;
      }
      const call = checkBatch(this.#subjects);
      this.#subjects += CHECKS_PER_BATCH;
      return call;
    };
    await this.#caller.run(next, (ended) => {
      batches += 1;
      this.#sayProgress();
      if (ended.status !== OK) {
        this.#fail('CheckRateLimits', ended);
      } else if (batches % 10 === 0 && decidedByStore(ended.message) !== CHECKS_PER_BATCH) {
        this.#fail('CheckRateLimits', { ...ended, status: 'a check that the store did not decide' });
      }
    });
  }

  /** Returns the number of sessions that were rejected because the store was full. */
  async #fillOtherStores(): Promise<number> {
    let entries = 0;
    await this.#caller.run(
      () => this.#next(entries < CACHE_ENTRIES, () => cacheSet(entries++)),
      (ended) => this.#expect('CacheSet', ended, [OK]),
    );
    let sessions = 0;
    let refused = 0;
    await this.#caller.run(
      () => this.#next(sessions < MAX_SESSIONS && refused < REFUSED_SESSIONS, () => createSession(sessions++)),
      (ended) => {
        this.#expect('CreateSession', ended, [OK, RESOURCE_EXHAUSTED]);
        refused += ended.status === RESOURCE_EXHAUSTED ? 1 : 0;
      },
    );
    say(`wrote ${entries} cache entries, and created ${sessions} sessions until the store was full`);
    return refused;
  }

  #next(isMore: boolean, create: () => Call): Call | undefined {
    const mayGoOn = performance.now() < this.#endMs && this.#failureCount < MAX_FAILURES;
    return isMore && mayGoOn ? create() : undefined;
  }

  #expect(method: string, ended: Ended, statuses: readonly string[]): void {
    this.#sayProgress();
    if (!statuses.includes(ended.status)) {
      this.#fail(method, ended);
    }
  }

  #fail(method: string, { status }: Ended): void {
    const failure = `${method}: ${status}`;
    this.#failureCount += 1;
    this.#failures.set(failure, (this.#failures.get(failure) ?? 0) + 1);
  }

  #sayProgress(): void {
    const nowMs = performance.now();
    if (nowMs - this.#saidMs < PROGRESS_MS) {
      return;
    }
    this.#saidMs = nowMs;
    const seconds = (nowMs - this.#startMs) / 1_000;
    const resident = this.#resident.mbNow.toFixed(1);
    say(`${seconds.toFixed(0).padStart(5)} s  ${this.#subjects} subjects, resident ${resident} MB`);
  }

  #whyEarly(): string {
    return this.#failureCount >= MAX_FAILURES ? 'ended early by failures' : 'all for which there was time';
  }

  #judge(outcome: { isAlive: boolean; refusedSessions: number; flatPhases: readonly PhaseMemory[] }): boolean {
    const { subjects, minSubjects } = this.#options;
    const seconds = Math.round((performance.now() - this.#startMs) / 1_000);
    const failures = [...this.#failures].map(([failure, count]) => `${count} x ${failure}`).join(', ');
    const left = this.#subjects < subjects ? ` of ${subjects}, ${this.#whyEarly()}` : '';
    const verdicts: [boolean, string][] = [
      [outcome.isAlive, `the sidecar ${outcome.isAlive ? 'is running' : 'has ended'}`],
      [this.#failureCount === 0, `${this.#failureCount} unexpected answers, must be 0 ${failures}`],
      [this.#subjects >= minSubjects, `${this.#subjects} subjects${left}, must be at least ${minSubjects}`],
      [outcome.refusedSessions > 0, `${outcome.refusedSessions} sessions rejected by a full store, must be at least 1`],
      [
        this.#resident.maxMb < MAX_RESIDENT_MB,
        `resident at most ${this.#resident.maxMb.toFixed(1)} MB, must be below ${MAX_RESIDENT_MB.toFixed(1)}`,
      ],
      ...outcome.flatPhases.map(({ name, maxFirstHalfMb, maxSecondHalfMb }): [boolean, string] => {
        const growthMb = maxSecondHalfMb - maxFirstHalfMb;
        const text = `${name}: resident grew by ${growthMb.toFixed(1)} MB, must be less than ${MAX_GROWTH_MB}`;
        return [growthMb < MAX_GROWTH_MB, text];
      }),
    ];
    say(`${seconds} s`);
    for (const [isPassed, text] of verdicts) {
      say(`${isPassed ? 'passed' : 'FAILED'}: ${text.trim()}`);
    }
    return verdicts.every(([isPassed]) => isPassed);
  }
}

const options = readArguments(parseMemoryOptions, HELP);
const sidecar = await startSidecar({ NODE_OPTIONS: HEAP_FLAGS }, { core: chooseCores().server });
const isPassed = await new MemorySoak(options, sidecar).run();
if (isRunning(sidecar.pid)) {
  await sidecar.stop();
}
process.exit(isPassed ? 0 : 1);
