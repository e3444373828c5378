/**
 * `make bench-compare BASE=<commit>` compares this working tree with another commit: CPU per call and idle memory.
 *
 * 1. Every round starts new processes: the base, this working tree, and the base again. The benchmark measures each figure alternately on these three
 *    processes, PASSES times. The value of a round is the lowest of its passes, because other load on the machine can only add CPU time to a call.
 * 2. Servers run on one core, and the load generator and Redis run on another core (bench/cores.ts). The load has 64 calls in flight on 4
 *    connections.
 * 3. The exit code is 1 if a ratio exceeds its limit or a call failed, and 2 if an argument is invalid. `--help` lists the arguments.
 */
import { join } from 'node:path';
import { buildCommit, isCommit } from '../test/support/sidecar/commit-build.ts';
import { readArguments } from './arguments.ts';
import { BUILD_ROLES, type BuildRole, orderOf, Samples, tableText, verdictText } from './compare/comparison.ts';
import { type CompareOptions, HELP, parseOptions } from './compare/options.ts';
import { MEASURED_CALLS, STORES, type Subject, startSubject, storeEntry } from './compare/subject.ts';
import { chooseCores } from './cores.ts';
import { anonymousMegabytes } from './process-stats.ts';
import type { BenchServer } from './servers.ts';
import type { CallBytes } from './transport/calls.ts';
import { chooseLoadClient } from './transport/load-client.ts';

const IDLE_MS = 3_000;
/** Duration of the warm-up before the first pass of a call. During this time, the process compiles the code that it will run. */
const FIRST_WARM_SECONDS = 0.7;
/** Duration of the warm-up before each pass. The warm-up opens connections and fills caches. */
const WARM_SECONDS = 0.1;
/** Number of alternating passes. The passes are short, so that other load on the machine affects all builds alike. */
const PASSES = 5;
const STORE_ENTRY_SECONDS = 0.05;

const LOAD = { name: 'closed-4', kind: 'closed', callers: 64, connections: 4 } as const;
const ONE_CALLER = { name: 'one caller', kind: 'closed', callers: 1, connections: 1 } as const;

type Subjects = Record<BuildRole, Subject>;

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function startSubjects(order: readonly BuildRole[]): Promise<Subjects> {
  const subjects: Partial<Subjects> = {};
  for (const role of order) {
    subjects[role] = await startSubject(role === 'current' ? join(import.meta.dirname, '..') : base.directory, cores);
  }
  return subjects as Subjects;
}

async function measureCall(server: BenchServer, call: CallBytes, seconds: number): Promise<number> {
  const target = { pid: server.pid, address: server.address };
  const figures = await client.measure({ ...target, call, load: LOAD, warmSeconds: WARM_SECONDS, seconds });
  failedCalls += figures.failed;
  return figures.cpuUs;
}

async function storeOneEntry(server: BenchServer): Promise<void> {
  const target = { pid: server.pid, address: server.address };
  await client.measure({ ...target, call: storeEntry, load: ONE_CALLER, warmSeconds: 0, seconds: STORE_ENTRY_SECONDS });
}

async function measureRound(round: number): Promise<void> {
  const order = orderOf(round);
  const subjects = await startSubjects(order);
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  for (const store of STORES) {
    for (const role of order) {
      samples.add(`idle anonymous MB, ${store}`, role, anonymousMegabytes(subjects[role].servers[store].pid));
    }
  }
  for (const store of STORES) {
    for (const role of order) {
      await storeOneEntry(subjects[role].servers[store]);
    }
    for (const { name, call } of MEASURED_CALLS) {
      for (const role of order) {
        await measureCall(subjects[role].servers[store], call, FIRST_WARM_SECONDS);
      }
      const passes: Record<BuildRole, number[]> = { base: [], current: [], again: [] };
      for (let pass = 0; pass < PASSES; pass += 1) {
        for (const role of orderOf(round + pass)) {
          passes[role].push(await measureCall(subjects[role].servers[store], call, options.seconds / PASSES));
        }
      }
      for (const role of order) {
        samples.add(`CPU us a call, ${name}, ${store}`, role, Math.min(...passes[role]));
      }
    }
  }
  await Promise.all(BUILD_ROLES.map((role) => subjects[role].stop()));
}

function checkedOptions(args: readonly string[]): CompareOptions | undefined {
  const parsed = parseOptions(args);
  if (parsed !== undefined && !isCommit(parsed.base)) {
    throw new Error(`--base must be a commit of this repository, got "${parsed.base}"`);
  }
  return parsed;
}

const options = readArguments(checkedOptions, HELP);
const samples = new Samples();
const cores = chooseCores();
const client = chooseLoadClient({ name: 'h2', core: cores.load, say });
const base = buildCommit(options.base);
process.once('exit', () => base.remove());
let failedCalls = 0;
say(`base: ${base.commit}; this: the working tree, built in dist/; load by ${client.name}`);
for (let round = 0; round < options.rounds; round += 1) {
  const startMs = performance.now();
  await measureRound(round);
  say(`round ${round + 1} of ${options.rounds} took ${((performance.now() - startMs) / 1_000).toFixed(0)} s`);
}
const comparisons = samples.compare();
process.stdout.write(`${tableText(comparisons)}\n${verdictText(comparisons)}`);
if (failedCalls > 0) {
  process.stdout.write(`${failedCalls} calls failed\n`);
}
if (failedCalls > 0 || comparisons.some((one) => !one.isWithin)) {
  process.exitCode = 1;
}
