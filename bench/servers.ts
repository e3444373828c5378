/**
 * Servers that the benchmarks measure. Each server is a child process, which the benchmark kills when it exits.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pinned } from './cores.ts';

const root = join(import.meta.dirname, '..');

export interface BenchServer {
  pid: number;
  /** host:port */
  address: string;
  /** Time from the start of the process until it is ready, in ms. Only a sidecar and the baseline report this time. */
  readyMs: number;
  stop(): Promise<void>;
}

/** Returns the Node flags that bin/pannier sets. Servers that are compared with the sidecar run with the same flags. */
export function programFlags(): string[] {
  const script = readFileSync(join(root, 'bin', 'pannier'), 'utf8');
  const flags = /"\$node" ((?:--\S+ )+)"\$root/.exec(script)?.[1];
  if (flags === undefined) {
    throw new Error('cannot read the Node flags of bin/pannier: it must contain `"$node" --flags "$root/..."`');
  }
  return flags.trim().split(' ');
}

const children = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of children) {
    child.kill('SIGKILL');
  }
});
// By default, a process emits no `exit` event if a signal ends it, so the servers would continue to run.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => process.exit(1));
}

export interface SidecarPlace {
  readonly core?: number | undefined;
  /** Directory that contains bin/pannier: this repository, or another build of it. */
  readonly root?: string;
}

/** Starts the program with bin/pannier, and resolves when /readyz returns 200. */
export async function startSidecar(settings: Record<string, string>, place: SidecarPlace = {}): Promise<BenchServer> {
  const startMs = performance.now();
  const [command, args] = pinned(place.core, join(place.root ?? root, 'bin', 'pannier'), ['serve']);
  const child = launch(command, args, {
    PANNIER_GRPC_ADDRESS: '127.0.0.1:0',
    PANNIER_ADMIN_ADDRESS: '127.0.0.1:0',
    ...settings,
  });
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    const fields = JSON.parse(line) as Record<string, unknown>;
    if (fields.msg === 'serving') {
      child.stdout?.resume();
      await untilReady(`http://${fields.admin}/readyz`);
      return bench(child, String(fields.grpc), performance.now() - startMs);
    }
  }
  throw new Error('cannot start the sidecar: it ended before it served');
}

export async function startBaseline(): Promise<BenchServer> {
  const startMs = performance.now();
  const child = launch(process.execPath, [join(root, 'bench', 'baseline-server.ts')], {});
  const [chunk] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return bench(child, `127.0.0.1:${chunk.toString().trim()}`, performance.now() - startMs);
}

/** Starts a server that prints `{"tcp": PORT}` once it listens on this port. */
export async function startPeer(options: {
  command: string;
  args: readonly string[];
  core: number | undefined;
  environment?: Record<string, string>;
}): Promise<BenchServer> {
  const [command, args] = pinned(options.core, options.command, options.args);
  const child = launch(command, args, options.environment ?? {});
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    child.stdout?.resume();
    return bench(child, `127.0.0.1:${(JSON.parse(line) as { tcp: number }).tcp}`, 0);
  }
  throw new Error(`cannot start ${options.command}: it ended before it served`);
}

/** Starts a redis-server on a free port, without persistence. Returns undefined if redis-server is not installed. */
export async function startRedisServer(core?: number): Promise<BenchServer | undefined> {
  const port = await freePort();
  const [command, args] = pinned(core, 'redis-server', [
    ...['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
  ]);
  const child = launch(command, args, {});
  const failed = once(child, 'error').then(() => true);
  const ready = (async () => {
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
      if (line.includes('Ready to accept connections')) {
        return false;
      }
    }
    return true;
  })();
  if (await Promise.race([failed, ready])) {
    return undefined;
  }
  child.stdout?.resume();
  return bench(child, `127.0.0.1:${port}`, 0);
}

function launch(command: string, args: readonly string[], settings: Record<string, string>): ChildProcess {
  const child = spawn(command, [...args], {
    cwd: root,
    env: { ...process.env, ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

function bench(child: ChildProcess, address: string, readyMs: number): BenchServer {
  return {
    pid: child.pid ?? 0,
    address,
    readyMs,
    stop: async () => {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}

async function untilReady(url: string): Promise<void> {
  for (let attempt = 0; attempt < 2_000; attempt += 1) {
    const response = await fetch(url).catch(() => undefined);
    if (response?.status === 200) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  throw new Error(`cannot start the sidecar: ${url} did not return 200`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
