/**
 * Provides helpers for the conformance suites: the transports to test, a server of the interop service on a free port,
 * and functions that run external test programs.
 *
 * Invariant: the path of each program is in an environment variable. The suite fails if the variable is unset.
 */
import { startGrpcJsTransport } from '../../../src/grpc/grpc-js/grpc-js-transport.ts';
import { startHttp2Transport } from '../../../src/grpc/http2/http2-transport.ts';
import type { Transport } from '../../../src/grpc/transport/transport.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { spawnBound } from '../sidecar/bound-process.ts';
import { createInteropTable } from './interop-service.ts';
import type { StartTransport } from './transport-contract.ts';

export const TRANSPORTS: readonly (readonly [name: string, start: StartTransport])[] = [
  ['http2', startHttp2Transport],
  ['grpc-js', startGrpcJsTransport],
];

const DEFAULT_DEADLINE_MS = 7_000;

export interface InteropServer {
  readonly port: number;
  /** Unexpected errors that the transport has logged. */
  readonly logged: string[];
  readonly transport: Transport;
}

export async function startInteropServer(startTransport: StartTransport): Promise<InteropServer> {
  const logged: string[] = [];
  const transport = await startTransport({
    table: createInteropTable(),
    listen: { tcp: { host: '127.0.0.1', port: 0 } },
    defaultDeadlineMs: DEFAULT_DEADLINE_MS,
    clock: systemClock,
    log: { error: (fields, text) => logged.push(`${text}: ${JSON.stringify(fields)}`) },
  });
  return { port: Number(transport.tcpPort), logged, transport };
}

/**
 * Returns the path of a program from an environment variable. `what` is the description of the program in the error.
 */
export function programFromEnvironment(variable: string, what: string): string {
  const path = process.env[variable];
  if (path === undefined || path === '') {
    throw new Error(`cannot run ${what}: ${variable} is unset; set it to the path of the program`);
  }
  return path;
}

export interface ProgramEnd {
  /** Exit code; -1 if the program was killed because it did not end in time. */
  readonly code: number;
  readonly output: string;
}

/** Runs a program until it ends, or kills it after `timeoutMs`. */
export async function runProgram(path: string, args: readonly string[], timeoutMs: number): Promise<ProgramEnd> {
  const program = await spawnBound(path, args);
  let output = '';
  for (const stream of [program.stdout, program.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    program.signal('SIGKILL');
  }, timeoutMs);
  const code = await program.ended;
  clearTimeout(timer);
  return { code: isLate ? -1 : code, output };
}
