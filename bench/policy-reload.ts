/**
 * Measures how long a reload of 1,000 policies blocks the event loop, and how long it takes to parse the same file on the main thread. The benchmark
 * measures the CPU time of the main thread, which does not include time in which another process uses the core.
 *
 * Usage: `node bench/policy-reload.ts`. `--quick` is a short run. A reload should block the event loop for at most 20 ms.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parsePolicyFile } from '../src/config/policies.ts';
import { watchPolicyFile } from '../src/config/policy-watch.ts';
import { silentLogger } from '../test/support/lib/silent-logger.ts';
import { median } from './process-stats.ts';

const rounds = process.argv.includes('--quick') ? 3 : 10;
const POLICIES = 1_000;
const NEVER_MS = 2 ** 31 - 1;

function policyText(limitsPerPolicy: number, limit: number): string {
  const policies = Array.from({ length: POLICIES }, (_, policy) => {
    const limits = Array.from(
      { length: limitsPerPolicy },
      (_one, index) => `      - { name: limit-${index}, algorithm: token_bucket, limit: ${limit}, per: 1m }\n`,
    );
    return `  policy-${policy}:\n    limits:\n${limits.join('')}`;
  });
  return `policies:\n${policies.join('')}`;
}

/** Returns the CPU time of this thread since its start. */
function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** Returns the maximum CPU time of this thread between two ticks of a timer of 1 ms while `run` is in progress. */
async function longestBlockMs(run: () => Promise<void>): Promise<number> {
  let longestMs = 0;
  let lastMs = threadCpuMs();
  const timer = setInterval(() => {
    const nowMs = threadCpuMs();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
  }, 1);
  await run();
  clearInterval(timer);
  return longestMs;
}

interface Figures {
  readonly parseMs: number;
  readonly blockMs: number;
}

async function measureReload(path: string, limitsPerPolicy: number): Promise<Figures> {
  writeFileSync(path, policyText(limitsPerPolicy, 1));
  let reloads = 0;
  const onReload = (outcome: string): void => {
    reloads += outcome === 'reloaded' ? 1 : 0;
  };
  const started = watchPolicyFile({ path, log: silentLogger, onReload, intervalMs: NEVER_MS });
  if ('problems' in started) {
    throw new Error('cannot measure reloads: the policy file has errors');
  }
  const parseMs: number[] = [];
  const blockMs: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const text = policyText(limitsPerPolicy, 1 + round);
    const startMs = threadCpuMs();
    parsePolicyFile(text);
    parseMs.push(threadCpuMs() - startMs);
    writeFileSync(path, text);
    // The first check detects the change, and the second check loads the file.
    await started.watch.check();
    blockMs.push(await longestBlockMs(() => started.watch.check()));
  }
  started.watch.close();
  if (reloads !== rounds) {
    throw new Error(`cannot measure reloads: only ${reloads} of ${rounds} files were loaded`);
  }
  return { parseMs: median(parseMs), blockMs: Math.max(...blockMs) };
}

const directory = mkdtempSync(join(tmpdir(), 'pannier-reload-'));
process.stdout.write(`${'ms of CPU: a reload of 1,000 policies'.padEnd(42)}longest block  parse (baseline)\n`);
for (const limitsPerPolicy of [1, 2, 13]) {
  const { parseMs, blockMs } = await measureReload(join(directory, 'policies.yaml'), limitsPerPolicy);
  const name = `limits per policy: ${limitsPerPolicy}`;
  process.stdout.write(`${name.padEnd(42)}${blockMs.toFixed(1).padStart(13)}${parseMs.toFixed(0).padStart(18)}\n`);
}
rmSync(directory, { recursive: true });
