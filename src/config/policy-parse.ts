/**
 * Parses a policy file in a worker thread while the main thread serves calls, because parsing 1,000 policies takes half
 * a second.
 *
 * The worker exits after each file, so that an idle sidecar does not use memory for a worker. The worker sends its
 * result in several messages.
 *
 * Invariants:
 *   1. The result equals that of parsePolicyFile, including the valid parts, the problems and their lines.
 *   2. The main thread receives one message per turn of its event loop.
 *   3. The main thread parses small files itself, which takes a few milliseconds. A worker would leave 7 to 13 MB of
 *      memory allocated after its exit.
 *   4. The run time and the memory of a worker are bounded. The promise rejects if the worker exceeds a bound or cannot
 *      start.
 */
import { Worker } from 'node:worker_threads';
import { type PolicyFileResult, parsePolicyFile } from './policies.ts';
import type { PolicySpec } from './policy-file.ts';

/**
 * Message of the worker. The first message contains the result without its valid policies, and the following messages
 * contain the valid policies.
 */
export type ParsedPart =
  | { readonly kind: 'result'; readonly result: PolicyFileResult }
  | { readonly kind: 'policies'; readonly policies: readonly PolicySpec[]; readonly isLast: boolean };

export interface PolicyParse {
  readonly result: Promise<PolicyFileResult>;
  /** Stops the worker. If `result` is still pending, the promise rejects. */
  cancel(): void;
}

/** Maximum length of a file that the main thread parses: about 20 policies. */
const SMALL_TEXT_LENGTH = 4_096;
/** Maximum heap size of the worker. In a measurement, a file of 1 MiB needed 95 MB. */
const MAX_HEAP_MB = 112;
/** Heap size of the worker if the container has less memory left. In a measurement, it sufficed for 3,000 limits. */
const MIN_HEAP_MB = 32;
/** Maximum run time of the worker: about 100 times as long as the largest file takes on an idle machine. */
const TIMEOUT_MS = 120_000;
/**
 * The worker's entry is in the same directory as this module, both in the source tree and in the bundle
 * (scripts/build.ts).
 */
const ENTRY = new URL(
  import.meta.url.endsWith('.ts') ? './policy-parse-worker.ts' : './policy-parse-worker.mjs',
  import.meta.url,
);

/** Returns a result with other valid policies. A result without valid parts stays unchanged. */
export function withPolicies(result: PolicyFileResult, policies: ReadonlyMap<string, PolicySpec>): PolicyFileResult {
  if ('file' in result) {
    return { ...result, file: { ...result.file, policies } };
  }
  return result.parts === undefined ? result : { ...result, parts: { ...result.parts, policies } };
}

/** Returns whether the main thread may parse the text. */
export function isSmallText(text: string): boolean {
  return text.length <= SMALL_TEXT_LENGTH;
}

/**
 * Returns the maximum heap size of the worker, so that a file that needs too much memory ends the worker and not the
 * container. `limitBytes` is 0 or huge if the process has no memory limit.
 */
export function parserHeapMb({ limitBytes, usedBytes }: { limitBytes: number; usedBytes: number }): number {
  const leftMb = limitBytes > 0 ? Math.floor((limitBytes - usedBytes) / 1_048_576) : MAX_HEAP_MB;
  return Math.min(MAX_HEAP_MB, Math.max(MIN_HEAP_MB, leftMb));
}

export function startPolicyParse(text: string): PolicyParse {
  if (isSmallText(text)) {
    return { result: Promise.resolve(parsePolicyFile(text)), cancel: () => undefined };
  }
  // The worker does not receive the environment or the flags of this process, because it needs neither and the
  // environment may contain secrets.
  const worker = new Worker(ENTRY, {
    workerData: text,
    env: {},
    execArgv: [],
    resourceLimits: {
      maxOldGenerationSizeMb: parserHeapMb({
        limitBytes: process.constrainedMemory(),
        usedBytes: process.memoryUsage.rss(),
      }),
      maxYoungGenerationSizeMb: 8,
    },
  });
  const result = resultOf(worker).finally(() => void worker.terminate());
  return { result, cancel: () => void worker.terminate() };
}

async function resultOf(worker: Worker): Promise<PolicyFileResult> {
  return await new Promise((resolve, reject) => {
    const policies = new Map<string, PolicySpec>();
    let result: PolicyFileResult | undefined;
    const timer = setTimeout(() => reject(new Error(`parsing took more than ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
    timer.unref();
    worker.unref();
    worker.on('message', (part: ParsedPart) => {
      if (part.kind === 'result') {
        result = part.result;
      } else {
        for (const policy of part.policies) {
          policies.set(policy.name, policy);
        }
        if (part.isLast && result !== undefined) {
          resolve(withPolicies(result, policies));
          return;
        }
      }
      // Requests the next part in the next turn, because the reply to an immediate request would arrive within this
      // turn.
      setImmediate(() => worker.postMessage('next'));
    });
    worker.on('error', reject);
    worker.on('exit', () => {
      clearTimeout(timer);
      reject(new Error('the parser thread exited'));
    });
  });
}
