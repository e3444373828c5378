/**
 * Entry point of the worker thread that parses a policy file. The module policy-parse.ts starts the worker with the
 * text of the policy file and receives its messages.
 *
 * The worker sends one message for each message that it receives. The main thread therefore processes a bounded part of
 * the file per turn of its event loop.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { parsePolicyFile } from './policies.ts';
import type { PolicySpec } from './policy-file.ts';
import { type ParsedPart, withPolicies } from './policy-parse.ts';

/** Maximum number of limits per message. The main thread takes about a millisecond to receive so many limits. */
const LIMITS_PER_PART = 500;

if (parentPort === null) {
  throw new Error(
    'cannot parse a policy file: this module is the entry of a worker thread; start it with new Worker()',
  );
}
const port = parentPort;
const parts = partsOf(String(workerData));

function sendNext(): void {
  const { value, done } = parts.next();
  if (done !== true) {
    port.postMessage(value);
  }
}

function* partsOf(text: string): Generator<ParsedPart, void> {
  const result = parsePolicyFile(text);
  yield { kind: 'result', result: withPolicies(result, new Map()) };
  const policies = 'file' in result ? result.file.policies : result.parts?.policies;
  let part: PolicySpec[] = [];
  let limits = 0;
  for (const policy of policies?.values() ?? []) {
    part.push(policy);
    limits += policy.limits.length;
    if (limits >= LIMITS_PER_PART) {
      yield { kind: 'policies', policies: part, isLast: false };
      part = [];
      limits = 0;
    }
  }
  yield { kind: 'policies', policies: part, isLast: true };
}

port.on('message', sendNext);
sendNext();
