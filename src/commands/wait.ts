/**
 * `pannier wait ready|idle`: waits until the sidecar is ready, or until the sidecar has no connections and no calls.
 *
 * The hooks of a sidecar that runs as a plain container use this command (docs/reference/annotations.md). The hook
 * postStart delays the application until the sidecar is ready. The hook preStop keeps the sidecar running until the
 * application has closed its connections. Exits with 0 once the condition is met. Exits with 1 and prints the cause if
 * the timeout expired, or if the admin address refused a connection while the command was waiting for `idle`. Exits
 * with 2 if the command line is invalid.
 */
import { get } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { Argument, Command, InvalidArgumentError } from 'commander';
import { parseAddress } from '../config/settings.ts';
import { readFailureCode } from '../lib/system-code.ts';

const POLL_MS = 100;
/**
 * Time without connections after which the command considers the sidecar idle. An application may reconnect right after
 * it has closed a connection.
 */
const IDLE_MS = 2_000;
const ANSWER_MS = 2_000;
const MAX_PAGE_LENGTH = 4_194_304;

export interface WaitOptions {
  readonly what: 'ready' | 'idle';
  readonly admin: string;
  readonly timeoutMs: number;
  readonly idleMs?: number;
}

export type WaitOutcome = { readonly kind: 'reached' } | { readonly kind: 'gave-up'; readonly problem: string };

interface WaitFlags {
  readonly admin: string;
  readonly timeoutMs: number;
}

export function waitCommand(): Command {
  return new Command('wait')
    .description('Wait until the sidecar is ready, or until it has no connections and no calls.')
    .addArgument(new Argument('<what>', 'condition to wait for').choices(['ready', 'idle']))
    .option('--admin <host:port>', 'admin address of the sidecar', readAddress, '127.0.0.1:9471')
    .option('--timeout-ms <n>', 'timeout in ms', readTimeout, 30_000)
    .addHelpText('after', '\nExamples:\n  pannier wait ready\n  pannier wait idle --timeout-ms 60000')
    .action(async (what: 'ready' | 'idle', flags: WaitFlags) => {
      const outcome = await waitFor({ what, ...flags });
      if (outcome.kind === 'gave-up') {
        process.stderr.write(`${outcome.problem}\n`);
        process.exitCode = 1;
      }
    });
}

function readAddress(text: string): string {
  if (parseAddress(text) === undefined) {
    throw new InvalidArgumentError('must be HOST:PORT');
  }
  return text;
}

function readTimeout(text: string): number {
  const timeoutMs = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(timeoutMs <= 3_600_000)) {
    throw new InvalidArgumentError('must be an integer from 0 to 3600000');
  }
  return timeoutMs;
}

/**
 * Polls until the condition is met or the timeout expires. Takes at most the timeout plus the duration of one request.
 * Never rejects.
 */
export async function waitFor(options: WaitOptions): Promise<WaitOutcome> {
  const { what, timeoutMs, idleMs = IDLE_MS } = options;
  const admin = options.admin.startsWith(':') ? `127.0.0.1${options.admin}` : options.admin;
  const path = what === 'ready' ? '/readyz' : '/metrics';
  const until = performance.now() + timeoutMs;
  let idleSince: number | undefined;
  while (true) {
    const answer = await fetchPage(`http://${admin}${path}`);
    const now = performance.now();
    if (what === 'ready' && answer.kind === 'page' && answer.status === 200) {
      return { kind: 'reached' };
    }
    idleSince = what === 'idle' && isIdle(answer) ? (idleSince ?? now) : undefined;
    if (idleSince !== undefined && now - idleSince >= idleMs) {
      return { kind: 'reached' };
    }
    const isGone = what === 'idle' && answer.kind === 'nothing' && answer.code === 'ECONNREFUSED';
    if (isGone || now + POLL_MS > until) {
      const text = `http://${admin}${path} must return ${ACCEPTED[what]} within ${timeoutMs} ms, got ${describe(answer)}`;
      return { kind: 'gave-up', problem: `cannot wait until the sidecar is ${what}: ${text}` };
    }
    await pause(POLL_MS);
  }
}

const ACCEPTED = { ready: 'status 200', idle: 'no connection and no call' };

type Answer =
  | { readonly kind: 'page'; readonly status: number; readonly text: string }
  | { readonly kind: 'nothing'; readonly code: string };

/**
 * Sends a GET request. This function does not use fetch, because fetch refuses some ports (such as 6666 and 10080) and
 * may use a proxy from the environment.
 */
function fetchPage(url: string): Promise<Answer> {
  return new Promise((resolve) => {
    const nothing = (error: unknown): void => resolve({ kind: 'nothing', code: readFailureCode(error) });
    const request = get(url, { agent: false, signal: AbortSignal.timeout(ANSWER_MS) }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MAX_PAGE_LENGTH) {
          request.destroy(new Error(`cannot read ${url}: it is longer than ${MAX_PAGE_LENGTH} characters`));
        }
      });
      response.on('end', () => resolve({ kind: 'page', status: response.statusCode ?? 0, text }));
      response.on('error', nothing);
    });
    request.on('error', nothing);
  });
}

function describe(answer: Answer): string {
  if (answer.kind === 'nothing') {
    return answer.code === 'ABORT_ERR' ? `no response within ${ANSWER_MS} ms` : `no response (${answer.code})`;
  }
  const gauges = gaugesOf(answer.text);
  const found =
    gauges.length === 0
      ? (answer.text.split('\n', 1)[0] ?? '').slice(0, 100)
      : gauges.filter((line) => !line.endsWith(' 0')).join(', ');
  return `status ${answer.status}${found === '' ? '' : ` (${found})`}`;
}

/** Returns whether the page contains the gauges of connections and calls, and all of them are 0. */
function isIdle(answer: Answer): boolean {
  const gauges = answer.kind === 'page' && answer.status === 200 ? gaugesOf(answer.text) : [];
  return gauges.length > 0 && gauges.every((line) => Number(line.slice(line.lastIndexOf(' '))) === 0);
}

function gaugesOf(metrics: string): string[] {
  return metrics.match(/^pannier_grpc_(?:connections|calls_in_flight)(?:\{[^}\n]*\})? \S+$/gm) ?? [];
}
