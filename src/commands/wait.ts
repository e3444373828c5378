/**
 * `pannier wait ready|idle`: ends when the sidecar is ready, or when nobody is connected to it any more.
 *
 * Made for the hooks of a sidecar that is a plain container (docs/injection.md): its postStart holds the application back until the
 * sidecar answers, its preStop lets the sidecar serve until the application is gone. Exit codes: 0 it is so; 1 the time is over, or the
 * admin address answers no more while waiting for `idle`; 2 the command line is wrong.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Argument, Command, InvalidArgumentError } from 'commander';
import { parseAddress } from '../config/settings.ts';

const POLL_MS = 100;
/** An application may open its next connection right after it closed one. */
const IDLE_MS = 2_000;
const ANSWER_MS = 2_000;
const METRICS_BYTES_MAX = 4_194_304;

export interface WaitOptions {
  readonly what: 'ready' | 'idle';
  readonly admin: string;
  readonly timeoutMs: number;
  readonly idleMs?: number;
}

interface WaitFlags {
  readonly admin: string;
  readonly timeoutMs: number;
}

export function waitCommand(): Command {
  return new Command('wait')
    .description('Wait until the sidecar is ready, or until nobody is connected to it.')
    .addArgument(new Argument('<what>', 'what to wait for').choices(['ready', 'idle']))
    .option('--admin <host:port>', 'the admin address of the sidecar', readAddress, '127.0.0.1:9471')
    .option('--timeout-ms <n>', 'give up after this long', readTimeout, 30_000)
    .action(async (what: 'ready' | 'idle', flags: WaitFlags) => {
      process.exitCode = (await waitFor({ what, ...flags })) ? 0 : 1;
    });
}

function readAddress(text: string): string {
  if (parseAddress(text) === undefined) {
    throw new InvalidArgumentError(`it is ${JSON.stringify(text)}, wanted HOST:PORT`);
  }
  return text;
}

function readTimeout(text: string): number {
  const timeoutMs = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(timeoutMs <= 3_600_000)) {
    throw new InvalidArgumentError(`it is ${JSON.stringify(text)}, wanted an integer from 0 to 3600000`);
  }
  return timeoutMs;
}

/** False: the time is over. Never rejects. */
export async function waitFor(options: WaitOptions): Promise<boolean> {
  const { what, admin, timeoutMs, idleMs = IDLE_MS } = options;
  const until = performance.now() + timeoutMs;
  let idleSince: number | undefined;
  while (true) {
    const answer = await ask(`http://${admin}/${what === 'ready' ? 'readyz' : 'metrics'}`);
    const now = performance.now();
    if (what === 'ready' && answer?.status === 200) {
      return true;
    }
    if (what === 'idle' && answer === undefined) {
      return false;
    }
    idleSince = what === 'idle' && isIdle(answer?.text ?? '') ? (idleSince ?? now) : undefined;
    if (idleSince !== undefined && now - idleSince >= idleMs) {
      return true;
    }
    if (now + POLL_MS > until) {
      return false;
    }
    await pause(POLL_MS);
  }
}

/** Undefined: nothing answers there. */
async function ask(url: string): Promise<{ status: number; text: string } | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
    const text = await response.text();
    return { status: response.status, text: text.slice(0, METRICS_BYTES_MAX) };
  } catch {
    return undefined;
  }
}

/** No connection and no call: the gauges of all listeners are 0. */
function isIdle(metrics: string): boolean {
  const gauges = metrics.matchAll(/^pannier_grpc_(?:connections|calls_in_flight)(?:\{[^}\n]*\})? (\S+)$/gm);
  return [...gauges].every(([, value]) => Number(value) === 0);
}
