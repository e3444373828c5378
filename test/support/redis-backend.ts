/**
 * Where test servers run: as containers, or as local processes. The choice is made once per test process.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { GenericContainer, type StartedTestContainer } from 'testcontainers';

export interface BackendServer {
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  kill(): Promise<void>;
}

export interface Backend {
  start(options: { args: readonly string[]; directory?: string }): Promise<BackendServer>;
}

const IMAGE = 'redis:7.0';

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
    'Cannot start a Redis: no container engine answers and there is no redis-server, install redis-server 7 or later',
  );
}

/** Whether the engine answers and has the image, or can get it. */
function hasImage(): boolean {
  return hasCommand('docker', ['image', 'inspect', IMAGE]) || hasCommand('docker', ['pull', '--quiet', IMAGE]);
}

function hasCommand(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, [...args], { stdio: 'ignore', timeout: 120_000 });
    return true;
  } catch {
    return false;
  }
}

const children = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of children) {
    child.kill('SIGKILL');
  }
});

const processBackend: Backend = {
  start: async ({ args }) => {
    const child = spawn('redis-server', [...args], { stdio: 'ignore' });
    children.add(child);
    const exited = once(child, 'exit');
    void exited.then(() => children.delete(child));
    return {
      freeze: async () => void child.kill('SIGSTOP'),
      thaw: async () => void child.kill('SIGCONT'),
      kill: async () => {
        child.kill('SIGKILL');
        await exited;
      },
    };
  },
};

const containerBackend: Backend = {
  start: async ({ args, directory }) => {
    const blueprint = new GenericContainer(IMAGE).withNetworkMode('host').withCommand(['redis-server', ...args]);
    if (directory !== undefined) {
      blueprint.withBindMounts([{ source: directory, target: directory, mode: 'ro' }]);
    }
    const container: StartedTestContainer = await blueprint.start();
    const engine = (...words: string[]): void => {
      execFileSync('docker', words, { stdio: 'ignore' });
    };
    let isGone = false;
    return {
      freeze: async () => engine('pause', container.getId()),
      thaw: async () => engine('unpause', container.getId()),
      kill: async () => {
        if (!isGone) {
          isGone = true;
          engine('rm', '--force', container.getId());
        }
      },
    };
  },
};
