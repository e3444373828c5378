/**
 * What `make test` does on a machine without a Redis: scripts/ensure-redis.sh with stubs for everything that it could change.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../support/repository.ts';
import { StubPrograms } from '../support/stub-programs.ts';

const INSTALLATION = ['apt-get update -qq', 'apt-get install -y -qq --no-install-recommends redis-server'];

let directory: string;
let programs: StubPrograms;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pannier-ensure-redis-'));
  programs = new StubPrograms(directory).link('cat', 'sh');
  // The two that would write outside the clone.
  programs.add('install', 'exec cat >/dev/null');
  programs.add('rm');
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function machine(options: { userId: number; hasAptGet: boolean }): void {
  programs.add('id', `echo ${options.userId}`);
  programs.add('docker', 'exit 1');
  if (options.hasAptGet) {
    programs.add('apt-get');
  }
}

function ensureRedis(settings: Record<string, string> = {}) {
  const { status, stderr } = spawnSync('sh', [join(repositoryRoot, 'scripts', 'ensure-redis.sh')], {
    env: { PATH: programs.directory, ...settings },
    encoding: 'utf8',
  });
  return { status, stderr };
}

function installations(): string[] {
  return programs.calls().filter((call) => call.startsWith('apt-get '));
}

test('as root installs the package, and says what and why', () => {
  machine({ userId: 0, hasAptGet: true });
  const { status, stderr } = ensureRedis();
  expect(stderr).toBe(
    [
      'The tests need a real Redis. There is no redis-server, and no container engine answers.',
      "Installing Debian's package redis-server on this machine: apt-get update, apt-get install redis-server. Its service is not started.",
      'With PANNIER_INSTALL=never nothing is installed.',
      '',
    ].join('\n'),
  );
  expect(installations()).toEqual(INSTALLATION);
  expect(status).toBe(0);
});

test('with PANNIER_INSTALL=never installs nothing and fails with the command to run', () => {
  machine({ userId: 0, hasAptGet: true });
  const { status, stderr } = ensureRedis({ PANNIER_INSTALL: 'never' });
  expect(stderr).toMatch(/^cannot run the tests: they need a real Redis, .* and PANNIER_INSTALL is never; /);
  expect(stderr).toContain('run `apt-get update && apt-get install --no-install-recommends redis-server`');
  expect(stderr).toContain('or start a container engine\n');
  expect(installations()).toEqual([]);
  expect(status).toBe(1);
});

test('as another user installs nothing and fails with the command to run', () => {
  machine({ userId: 1000, hasAptGet: true });
  const { status, stderr } = ensureRedis();
  expect(stderr).toContain('only root can install one; run `sudo apt-get update && sudo apt-get install');
  expect(installations()).toEqual([]);
  expect(status).toBe(1);
});

test('without apt-get fails with what to install', () => {
  machine({ userId: 0, hasAptGet: false });
  const { status, stderr } = ensureRedis();
  expect(stderr).toContain('there is no apt-get to install one; install redis-server 7 or later, or start');
  expect(status).toBe(1);
});

test.each(['1', 'yes', 'Never'])('refuses PANNIER_INSTALL=%s, even where a Redis is present', (value) => {
  machine({ userId: 0, hasAptGet: true });
  programs.add('redis-server');
  expect(ensureRedis({ PANNIER_INSTALL: value })).toEqual({
    status: 2,
    stderr: `PANNIER_INSTALL must be never or unset, got "${value}"\n`,
  });
  expect(installations()).toEqual([]);
});

test.each(['docker', 'redis-server'])('installs nothing where there is a %s', (program) => {
  machine({ userId: 0, hasAptGet: true });
  programs.add(program);
  expect(ensureRedis()).toEqual({ status: 0, stderr: '' });
  expect(ensureRedis({ PANNIER_INSTALL: 'never' })).toEqual({ status: 0, stderr: '' });
  expect(installations()).toEqual([]);
});

test('installs nothing where the engine that PANNIER_TEST_ENGINE names answers', () => {
  machine({ userId: 0, hasAptGet: true });
  expect(ensureRedis({ PANNIER_TEST_ENGINE: programs.add('podman') })).toEqual({ status: 0, stderr: '' });
});

test('reports an installation that failed', () => {
  machine({ userId: 0, hasAptGet: true });
  programs.add('apt-get', 'exit 100');
  const { status, stderr } = ensureRedis();
  expect(stderr).toMatch(/cannot install redis-server: apt-get failed, see above; install .*\n$/);
  expect(status).toBe(1);
});
