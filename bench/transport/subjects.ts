/**
 * Servers that the transport benchmark measures. Each server is a process on the same core, and listens on TCP and on a unix socket.
 *
 * 1. All Node servers run with the flags and the environment of bin/pannier, so that they differ only in the transport.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cores } from '../cores.ts';
import { buildGoProgram } from '../go-programs.ts';
import { type BenchServer, programFlags, startPeer, startRedisServer, startSidecar } from '../servers.ts';
import { type CallBytes, checkInlineLimit, checkRateLimit, emptyCall, POLICY_FILE } from './calls.ts';
import { isOurs, type Network, type Row, type ServerName, type Work } from './rows.ts';

const NODE_ENVIRONMENT = { MALLOC_ARENA_MAX: '1' };

export interface Subject {
  readonly server: BenchServer;
  addressOn(network: Network): string;
}

/** Kind of program. `whole` is the complete sidecar, and one process serves all calls to it. */
type Program = 'empty' | 'whole';

export const CALLS: Record<Work, CallBytes> = { empty: emptyCall, redis: checkRateLimit, inline: checkInlineLimit };

export class Subjects {
  /** Descriptions of the servers that the benchmark could not start, with the reasons. */
  readonly missing: string[] = [];
  readonly #cores: Cores;
  /** Servers that the benchmark has tried to start. The value is undefined if the start failed. */
  readonly #started = new Map<string, Subject | undefined>();
  readonly #directory = mkdtempSync(join(tmpdir(), 'pannier-bench-'));
  #redis: BenchServer | undefined;

  constructor(options: { cores: Cores }) {
    this.#cores = options.cores;
    process.once('exit', () => rmSync(this.#directory, { recursive: true, force: true }));
  }

  /** Starts the servers that the rows need. */
  async start(rows: readonly Row[]): Promise<void> {
    const needsRedis = rows.some((row) => programOf(row.work) === 'whole');
    this.#redis = needsRedis ? await startRedisServer(this.#cores.load) : undefined;
    if (needsRedis && this.#redis === undefined) {
      this.missing.push('CheckRateLimit on Redis: redis-server not found');
    }
    for (const { work, server } of rows) {
      const program = programOf(work);
      const key = `${program} ${server}`;
      if (!this.#started.has(key)) {
        this.#started.set(key, await this.#startOne(program, server));
      }
    }
  }

  /** Returns undefined if the start of the server failed (see `missing`). */
  of(work: Work, server: ServerName): Subject | undefined {
    return this.#started.get(`${programOf(work)} ${server}`);
  }

  all(): Subject[] {
    return [...this.#started.values()].filter((subject) => subject !== undefined);
  }

  async stop(): Promise<void> {
    await Promise.all(this.all().map((subject) => subject.server.stop()));
    await this.#redis?.stop();
  }

  async #startOne(program: Program, server: ServerName): Promise<Subject | undefined> {
    const socketPath = join(this.#directory, `${program}-${server}.sock`);
    const running = await (program === 'empty'
      ? this.#startEmpty(server, socketPath)
      : this.#startWhole(server, socketPath));
    if (running === undefined) {
      return undefined;
    }
    return {
      server: running,
      addressOn: (network) => (network === 'tcp' ? running.address : `unix:${socketPath}`),
    };
  }

  async #startEmpty(server: ServerName, socketPath: string): Promise<BenchServer | undefined> {
    const core = this.#cores.server;
    if (server === 'grpc-go') {
      const program = buildGoProgram('peers/grpc-go');
      if ('missing' in program) {
        this.missing.push(`the grpc-go server: ${program.missing}`);
        return undefined;
      }
      return await startPeer({ command: program.path, args: [socketPath], core });
    }
    const [file = '', ...args] = isOurs(server) ? ['empty-server.ts', server] : ['node-http2-server.ts'];
    return await startPeer({
      command: process.execPath,
      args: [...programFlags(), join(import.meta.dirname, file), ...args, socketPath],
      core,
      environment: NODE_ENVIRONMENT,
    });
  }

  async #startWhole(server: ServerName, socketPath: string): Promise<BenchServer | undefined> {
    if (this.#redis === undefined) {
      return undefined;
    }
    const policyFile = join(this.#directory, 'policies.yaml');
    writeFileSync(policyFile, POLICY_FILE);
    return await startSidecar(
      {
        PANNIER_POLICY_FILE: policyFile,
        PANNIER_GRPC_TRANSPORT: server,
        PANNIER_REDIS_URL: `redis://${this.#redis.address}`,
        PANNIER_GRPC_SOCKET: socketPath,
      },
      { core: this.#cores.server },
    );
  }
}

function programOf(work: Work): Program {
  return work === 'empty' ? 'empty' : 'whole';
}
