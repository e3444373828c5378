/**
 * Parses a policy file beside the thread that serves calls: parsing 1,000 policies takes half a second.
 *
 * A worker thread parses the text and ends afterwards, so that an idle sidecar does not hold the memory of it. What it found comes as
 * data, in parts.
 *
 * Promises:
 *   1. The result is that of parsePolicyFile, with the same problems in the same lines.
 *   2. The serving thread takes in one part per turn of its event loop.
 *   3. A small file is parsed on the serving thread: it takes a few milliseconds there, and a thread leaves 7 to 13 MB of pages behind.
 *   4. Time and memory of the thread are bounded. Beyond the bounds, and when no thread can be started, the promise rejects.
 */
import { Worker } from 'node:worker_threads';
import { type PolicyFileResult, parsePolicyFile } from './policies.ts';
import type { PolicyFile, PolicySpec } from './policy-file.ts';
import type { YamlProblem } from './yaml-reader.ts';

/** What the thread sends: problems alone, or the rest of the file and then its policies, part by part. */
export type ParsedPart =
  | { readonly kind: 'problems'; readonly problems: readonly [YamlProblem, ...YamlProblem[]] }
  | { readonly kind: 'rest'; readonly rest: Omit<PolicyFile, 'policies'>; readonly hasPolicies: boolean }
  | { readonly kind: 'policies'; readonly policies: readonly PolicySpec[]; readonly isLast: boolean };

export interface PolicyParse {
  readonly result: Promise<PolicyFileResult>;
  /** Ends the thread; the promise rejects if it has not settled. */
  cancel(): void;
}

/** About twenty policies. */
const SMALL_TEXT_LENGTH = 4_096;
/** What a file of 1 MiB needs, measured: 95 MB. */
const MAX_HEAP_MB = 112;
/** A hundred times what the largest file takes on a quiet machine. */
const TIMEOUT_MS = 120_000;
/** Beside this module in the source tree, and beside the chunks of the bundle (scripts/build.ts). */
const ENTRY = new URL(
  import.meta.url.endsWith('.ts') ? './policy-parse-worker.ts' : './policy-parse-worker.mjs',
  import.meta.url,
);

export function startPolicyParse(text: string): PolicyParse {
  if (text.length <= SMALL_TEXT_LENGTH) {
    return { result: Promise.resolve(parsePolicyFile(text)), cancel: () => undefined };
  }
  // No environment and no flags of this process: the thread needs neither, and the environment may hold secrets.
  const worker = new Worker(ENTRY, {
    workerData: text,
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB, maxYoungGenerationSizeMb: 8 },
  });
  const result = resultOf(worker).finally(() => void worker.terminate());
  return { result, cancel: () => void worker.terminate() };
}

async function resultOf(worker: Worker): Promise<PolicyFileResult> {
  return await new Promise((resolve, reject) => {
    const policies = new Map<string, PolicySpec>();
    let rest: Extract<ParsedPart, { kind: 'rest' }> | undefined;
    const timer = setTimeout(() => reject(new Error(`it took more than ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
    timer.unref();
    worker.unref();
    worker.on('message', (part: ParsedPart) => {
      if (part.kind === 'problems') {
        resolve({ problems: part.problems });
        return;
      }
      if (part.kind === 'rest') {
        rest = part;
      } else {
        for (const policy of part.policies) {
          policies.set(policy.name, policy);
        }
        if (part.isLast && rest !== undefined) {
          resolve({ file: { ...rest.rest, policies }, hasPolicies: rest.hasPolicies });
          return;
        }
      }
      // Not at once: the port hands over in the same turn what arrives while it is being read.
      setImmediate(() => worker.postMessage('next'));
    });
    worker.on('error', reject);
    worker.on('exit', () => {
      clearTimeout(timer);
      reject(new Error('its thread has ended'));
    });
  });
}
