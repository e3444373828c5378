/**
 * Starts test servers as containers or as local processes. Containers use the image PANNIER_TEST_REDIS_IMAGE, so that
 * servers other than Redis 7.0 can be tested. Each test process chooses one of these two ways for all its servers.
 */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers';
import { containerEngine } from '../container-engine.ts';
import { type BoundProcess, spawnBound } from '../sidecar/bound-process.ts';

export interface BackendServer {
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  kill(): Promise<void>;
}

export interface Backend {
  start(options: BackendOptions): Promise<BackendServer>;
}

interface BackendOptions {
  readonly args: readonly string[];
  /** Directory that the server can read. */
  readonly directory?: string;
  /** Whether the server is a Sentinel, which needs a writable configuration file. */
  readonly isSentinel?: boolean;
}

const IMAGE = process.env.PANNIER_TEST_REDIS_IMAGE ?? 'redis:7.0';

/**
 * Directory for files of server processes. On Linux, the directory is in memory, as in containers. A Cluster node syncs
 * its configuration file on its main thread, so a busy disk would delay its replies.
 */
const FILES = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

let chosen: Promise<Backend> | undefined;

export function chooseBackend(): Promise<Backend> {
  chosen ??= choose(process.env.PANNIER_TEST_REDIS);
  return chosen;
}

async function choose(wish: string | undefined): Promise<Backend> {
  if (wish !== 'process' && (wish === 'container' || hasImage())) {
    return containerBackend;
  }
  if (hasCommand('redis-server', ['--version'])) {
    return processBackend;
  }
  throw new Error(
    'cannot start a Redis: no container engine answers and there is no redis-server; install redis-server 7 or later',
  );
}

/** Returns whether the container engine answers, and has the image or can pull it. */
function hasImage(): boolean {
  return (
    hasCommand(containerEngine, ['image', 'inspect', IMAGE]) || hasCommand(containerEngine, ['pull', '--quiet', IMAGE])
  );
}

function hasCommand(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, [...args], { stdio: 'ignore', timeout: 120_000 });
    return true;
  } catch {
    return false;
  }
}

const processBackend: Backend = {
  start: async ({ args, isSentinel = false }) => {
    // Each server has a separate directory, because a server loads any dump file in its directory.
    const directory = mkdtempSync(join(FILES, 'pannier-redis-'));
    const file = join(directory, 'sentinel.conf');
    if (isSentinel) {
      writeFileSync(file, '');
    }
    const server = await spawnBound('redis-server', [...(isSentinel ? [file] : []), ...args, '--dir', directory]);
    void server.ended.then(() => rmSync(directory, { recursive: true, force: true }));
    await untilReady(server);
    return {
      freeze: async () => server.signal('SIGSTOP'),
      thaw: async () => server.signal('SIGCONT'),
      kill: async () => {
        server.signal('SIGKILL');
        await server.ended;
      },
    };
  },
};

/** Messages that servers and Sentinels log when they are ready. */
const SERVES = /Ready to accept connections|Sentinel ID is/;

/**
 * Waits for the log line in which the server reports that it is ready. A successful connection to the port would not
 * prove this, because another server may have bound the port first.
 */
async function untilReady(server: BoundProcess): Promise<void> {
  let text = '';
  const ready = new Promise<void>((resolve) => {
    server.stdout.on('data', (chunk: Buffer) => {
      if (text.length < 100_000) {
        text += chunk.toString();
      }
      if (SERVES.test(text)) {
        resolve();
      }
    });
  });
  server.stderr.resume();
  const early = server.ended.then(() => {
    throw new Error(`cannot start redis-server: the process exited at once: ${text.slice(-300)}`);
  });
  await Promise.race([ready, early]);
  early.catch(() => undefined);
}

const SENTINEL_FILE = '/data/sentinel.conf';
const SENTINEL_PROGRAM = ['sh', '-c', `: > ${SENTINEL_FILE}; exec redis-server ${SENTINEL_FILE} "$@"`, 'sh'];

const containerBackend: Backend = {
  start: async ({ args, directory, isSentinel = false }) => {
    const program = isSentinel ? SENTINEL_PROGRAM : ['redis-server'];
    const blueprint = new GenericContainer(IMAGE)
      .withNetworkMode('host')
      .withTmpFs({ '/data': 'rw,mode=1777' })
      .withWaitStrategy(Wait.forLogMessage(SERVES))
      .withCommand([...program, ...args]);
    if (directory !== undefined) {
      blueprint.withBindMounts([{ source: directory, target: directory, mode: 'ro' }]);
    }
    const container: StartedTestContainer = await blueprint.start();
    // The engine runs asynchronously. A blocked event loop would notice the deadlines of calls in flight too late.
    const engine = async (...words: string[]): Promise<void> => {
      await promisify(execFile)(containerEngine, words);
    };
    let isGone = false;
    return {
      freeze: () => engine('pause', container.getId()),
      thaw: () => engine('unpause', container.getId()),
      kill: async () => {
        if (!isGone) {
          isGone = true;
          await engine('rm', '--force', container.getId());
        }
      },
    };
  },
};
