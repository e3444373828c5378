/**
 * `make bench-redis` measures the CPU of the Redis process for rate limit checks, cache accesses and session reads.
 *
 * The benchmark starts a redis-server, and runs the stores and the connection code of the sidecar in this process. Each round runs all operations.
 * The output shows medians, ratios to single commands within a round, and the spread of these ratios. The exit code is 1 if an operation failed, or
 * if --strict is set and the run misses a target. `ARGS=--help` lists the arguments.
 */
import { spawnSync } from 'node:child_process';
import { openRedis } from '../test/support/redis/client.ts';
import { readArguments } from './arguments.ts';
import { chooseCores } from './cores.ts';
import { add, type Figures, LOADS, type LoadName, measure } from './redis/load.ts';
import { createOperations, SUBJECTS } from './redis/operations.ts';
import { HELP, parseOptions } from './redis/options.ts';
import { Results } from './redis/results.ts';
import { tableText, verdictsText } from './redis/tables.ts';
import { judge } from './redis/verdicts.ts';
import { startRedisServer } from './servers.ts';

/** Number of operations before the first round. These operations create the keys of all subjects, and make Node compile the code. */
const WARM_OPERATIONS = 3 * SUBJECTS;
/** Number of turns of an operation in each round and load. */
const PASSES = 6;

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Runs all operations several times in short turns, so that other load on the machine affects all of them alike. */
async function measureRound(load: LoadName, turn: { redisPid: number; seconds: number }): Promise<void> {
  const sums = new Map<string, Figures>();
  for (let pass = 0; pass < PASSES; pass += 1) {
    for (const operation of operations) {
      sums.set(operation.name, add(sums.get(operation.name), await measure(operation, load, turn)));
    }
  }
  for (const [name, figures] of sums) {
    results.add(name, load, figures);
  }
}

const options = readArguments(parseOptions, HELP);
const cores = chooseCores();
const server = await startRedisServer(cores.server);
if (server === undefined) {
  throw new Error('cannot start redis-server: it did not become ready; install Redis 7.0 or later');
}
if (cores.load !== undefined) {
  spawnSync('taskset', ['-cp', String(cores.load), String(process.pid)]);
}
const redis = await openRedis(`redis://${server.address}`, { commandTimeoutMs: 5_000 });
const all = await createOperations(redis);
const operations = all.filter(
  ({ name, isBaseline }) => isBaseline || options.only.length === 0 || options.only.some((text) => name.includes(text)),
);
for (const { run } of operations) {
  for (let index = 0; index < WARM_OPERATIONS; index += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, offset) => run(index + offset)));
  }
}
const results = new Results();
for (let round = 1; round <= options.rounds; round += 1) {
  for (const load of LOADS) {
    await measureRound(load, { redisPid: server.pid, seconds: options.secondsPerRow / PASSES });
  }
  say(`round ${round} of ${options.rounds}`);
}
redis.close();
await server.stop();

const names = operations.map(({ name }) => name);
const verdicts = judge(results);
if (options.isJson) {
  const rows = LOADS.flatMap((load) => names.map((name) => ({ name, load, rounds: results.rounds(name, load) })));
  process.stdout.write(`${JSON.stringify({ rows, verdicts }, undefined, 2)}\n`);
} else {
  const tables = LOADS.map((load) => tableText(names, load, results));
  process.stdout.write(`${[...tables, verdictsText(verdicts)].join('\n')}\n`);
}
if (options.isStrict && verdicts.some(({ outcome }) => outcome !== 'met')) {
  process.exitCode = 1;
}
