/**
 * Closed-loop load generator: `node bench/http2-load.ts` reads a JSON job from standard input and writes a JSON result to standard output.
 *
 * The generator uses HTTP/2 from node:http2 and no protobuf library. A request is a sequence of bytes. A counter replaces the digits `00000000` in
 * these bytes, so that calls use several subjects. Every caller sends its next call once it has received the previous response. The generator only
 * supports loopback addresses and unix sockets.
 */
import { type ClientHttp2Session, connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { text } from 'node:stream/consumers';

export interface LoadJob {
  /** host:port, or unix:PATH */
  address: string;
  /** /package.Service/Method */
  path: string;
  /** Message in base64. */
  request: string;
  /** Number of distinct values of the eight digits in the request. */
  keys: number;
  callers: number;
  connections: number;
  warmupMs: number;
  durationMs: number;
}

export interface LoadResult {
  calls: number;
  errors: number;
  /** Time from the end of the warm-up to the end of the run, in ms. */
  elapsedMs: number;
  p50Us: number;
  p99Us: number;
  p999Us: number;
}

const PLACEHOLDER = Buffer.from('00000000');

async function run(job: LoadJob): Promise<LoadResult> {
  const message = Buffer.from(job.request, 'base64');
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, 0]), message]);
  frame.writeUInt32BE(message.length, 1);
  const placeholder = frame.indexOf(PLACEHOLDER);
  const sessions = Array.from({ length: job.connections }, () => open(job.address));
  const headers = { ':method': 'POST', ':path': job.path, 'content-type': 'application/grpc', te: 'trailers' };
  const latencies: number[] = [];
  const startMs = performance.now();
  const warmMs = startMs + job.warmupMs;
  const endMs = warmMs + job.durationMs;
  let errors = 0;
  let next = 0;

  async function callOnce(session: ClientHttp2Session): Promise<void> {
    const bytes = Buffer.from(frame);
    if (placeholder >= 0) {
      next = (next + 1) % job.keys;
      bytes.write(String(next).padStart(8, '0'), placeholder, 'latin1');
    }
    const sentMs = performance.now();
    const status = await statusOf(session, headers, bytes);
    const nowMs = performance.now();
    if (sentMs >= warmMs) {
      latencies.push((nowMs - sentMs) * 1_000);
      errors += status === '0' ? 0 : 1;
    }
  }

  async function caller(session: ClientHttp2Session): Promise<void> {
    while (performance.now() < endMs) {
      await callOnce(session);
    }
  }

  const warm = new Promise<void>((resolve) => setTimeout(resolve, job.warmupMs));
  const callers = Array.from({ length: job.callers }, (_, index) =>
    caller(sessions[index % sessions.length] as ClientHttp2Session),
  );
  await warm;
  process.stdout.write('warm\n');
  await Promise.all(callers);
  for (const session of sessions) {
    session.close();
  }
  latencies.sort((left, right) => left - right);
  return {
    calls: latencies.length,
    errors,
    elapsedMs: performance.now() - warmMs,
    p50Us: quantile(latencies, 0.5),
    p99Us: quantile(latencies, 0.99),
    p999Us: quantile(latencies, 0.999),
  };
}

function open(address: string): ClientHttp2Session {
  return address.startsWith('unix:')
    ? connect('http://localhost', { createConnection: () => connectSocket(address.slice('unix:'.length)) })
    : connect(`http://${address}`);
}

function statusOf(session: ClientHttp2Session, headers: Record<string, string>, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const stream = session.request(headers);
    let status = 'none';
    stream.on('response', (response) => {
      status = String(response['grpc-status'] ?? status);
    });
    stream.on('trailers', (trailers) => {
      status = String(trailers['grpc-status'] ?? status);
    });
    stream.on('error', () => undefined);
    stream.on('close', () => resolve(status));
    stream.resume();
    stream.end(bytes);
  });
}

function quantile(sorted: readonly number[], share: number): number {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN);
}

if (process.argv[1] === import.meta.filename) {
  const job = JSON.parse(await text(process.stdin)) as LoadJob;
  const result = await run(job);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
