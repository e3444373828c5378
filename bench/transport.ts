/**
 * `make bench-transport` measures the cost of a call on each transport, and on node:http2 and grpc-go in the same run.
 *
 * Every server is a process on one core, and the load generator and Redis run on another core. Each round measures all
 * rows. The output shows medians, followed by the ratios for which there are targets. The exit code is 1 if a call
 * failed. A missed target does not change the exit code. `ARGS=--help` lists the arguments.
 */
import { readArguments } from './arguments.ts';
import { chooseCores } from './cores.ts';
import { type IdleMemory, measureIdleMemory } from './transport/idle.ts';
import { chooseLoadClient, type LoadClient } from './transport/load-client.ts';
import { type BenchOptions, HELP, parseOptions } from './transport/options.ts';
import { Results } from './transport/results.ts';
import { planRows, type Row } from './transport/rows.ts';
import { CALLS, Subjects } from './transport/subjects.ts';
import { idleText, progressText, tablesText, verdictsText } from './transport/tables.ts';
import { judge } from './transport/verdicts.ts';

/** Duration of the warm-up before the first round. During this time, every server compiles the code that it will run. */
const FIRST_WARM_SECONDS = 1.5;
/** Duration of the warm-up before each row. The warm-up opens connections and fills caches. */
const ROW_WARM_SECONDS = 0.2;

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function warm(subjects: Subjects, rows: readonly Row[], client: LoadClient): Promise<void> {
  const load = { name: 'warm', kind: 'closed', callers: 64, connections: 4 } as const;
  const seen = new Set<object>();
  for (const row of rows) {
    const subject = subjects.of(row.work, row.server);
    if (subject === undefined || seen.has(subject)) {
      continue;
    }
    seen.add(subject);
    const address = subject.addressOn(row.network);
    const { pid } = subject.server;
    await client.measure({ pid, address, call: CALLS[row.work], load, warmSeconds: 0, seconds: FIRST_WARM_SECONDS });
  }
}

async function measureRow(row: Row, subjects: Subjects, client: LoadClient, seconds: number): Promise<void> {
  const subject = subjects.of(row.work, row.server);
  if (subject === undefined || !client.canMeasure(row.load)) {
    return;
  }
  const figures = await client.measure({
    pid: subject.server.pid,
    address: subject.addressOn(row.network),
    call: CALLS[row.work],
    load: row.load,
    warmSeconds: ROW_WARM_SECONDS,
    seconds,
  });
  results.add(row.id, figures);
}

/** Returns groups of rows with the same network and load, in order. */
function groupsOf(rows: readonly Row[]): Row[][] {
  const groups = Map.groupBy(rows, (row) => `${row.network} ${row.load.name}`);
  return [...groups.values()];
}

function printAll(options: BenchOptions, rows: readonly Row[], missing: readonly string[], idle?: IdleMemory): void {
  const verdicts = judge(results);
  if (options.isJson) {
    const measured = rows.map((row) => ({ ...row, rounds: results.rounds(row.id) }));
    process.stdout.write(`${JSON.stringify({ rows: measured, verdicts, missing, idle }, undefined, 2)}\n`);
    return;
  }
  const idlePart = idle === undefined ? '' : `${idleText(idle)}\n`;
  process.stdout.write(`${tablesText(rows, results)}\n${verdictsText(verdicts)}\n${idlePart}`);
  process.stdout.write(missing.map((text) => `NOT MEASURED: ${text}\n`).join(''));
}

const results = new Results();
const options = readArguments(parseOptions, HELP);
const rows = planRows(options);
const cores = chooseCores();
const client = chooseLoadClient({ name: options.client, core: cores.load, say });
const subjects = new Subjects({ cores });
await subjects.start(rows);
const missing = [...subjects.missing, ...(client.lacks === '' ? [] : [`without bench/load: ${client.lacks}`])];
for (const text of missing) {
  say(`NOT MEASURED: ${text}`);
}
say(
  cores.server === undefined
    ? 'no process is pinned: there is only one core, or no taskset'
    : `servers on core ${cores.server}, load and Redis on core ${cores.load}; load by ${client.name}`,
);
await warm(subjects, rows, client);
for (let round = 1; round <= options.rounds; round += 1) {
  for (const group of groupsOf(rows)) {
    for (let repeat = 0; repeat < Math.max(...group.map((row) => row.repeats)); repeat += 1) {
      for (const row of group.filter((one) => repeat < one.repeats)) {
        await measureRow(row, subjects, client, options.secondsPerRow);
      }
    }
    process.stderr.write(`round ${round} of ${options.rounds}: ${progressText(results, group)}`);
  }
}
await subjects.stop();
const idle = options.only.length === 0 ? await measureIdleMemory() : undefined;
printAll(options, rows, missing, idle);
if (results.failedInAll() > 0) {
  say(`${results.failedInAll()} calls failed`);
  process.exitCode = 1;
}
