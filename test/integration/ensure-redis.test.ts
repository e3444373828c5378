/**
 * Tests scripts/ensure-redis.sh, which `make test` runs on a machine without Redis. Stubs replace the programs that
 * would change the machine.
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
  // The real versions of these two programs would write outside the clone.
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

test('as root, installs the package after printing what it installs and why', () => {
  machine({ userId: 0, hasAptGet: true });
  const { status, stderr } = ensureRedis();
  expect(stderr).toBe(
    [
      'The tests need a Redis server. This machine has no redis-server, and no container engine is running.',
      "Installing Debian's package redis-server with apt-get. Its service is not started.",
      'Set PANNIER_INSTALL=never to prevent the installation.',
      '',
    ].join('\n'),
  );
  expect(installations()).toEqual(INSTALLATION);
  expect(status).toBe(0);
});

test('installs nothing with PANNIER_INSTALL=never and fails with the command to run', () => {
  machine({ userId: 0, hasAptGet: true });
  const { status, stderr } = ensureRedis({ PANNIER_INSTALL: 'never' });
  expect(stderr).toMatch(/^cannot run the tests: they need a Redis server, .* and PANNIER_INSTALL is never; /);
  expect(stderr).toContain('run `apt-get update && apt-get install --no-install-recommends redis-server`');
  expect(stderr).toContain('or start a container engine\n');
  expect(installations()).toEqual([]);
  expect(status).toBe(1);
});

test('installs nothing as another user and fails with the command to run', () => {
  machine({ userId: 1000, hasAptGet: true });
  const { status, stderr } = ensureRedis();
  expect(stderr).toContain('only root can install redis-server; run `sudo apt-get update && sudo apt-get install');
  expect(installations()).toEqual([]);
  expect(status).toBe(1);
});

test('fails without apt-get and names what to install', () => {
  machine({ userId: 0, hasAptGet: false });
  const { status, stderr } = ensureRedis();
  expect(stderr).toContain('apt-get was not found; install redis-server 7 or later, or start');
  expect(status).toBe(1);
});

test.each(['1', 'yes', 'Never'])('rejects PANNIER_INSTALL=%s, even if a Redis is present', (value) => {
  machine({ userId: 0, hasAptGet: true });
  programs.add('redis-server');
  expect(ensureRedis({ PANNIER_INSTALL: value })).toEqual({
    status: 2,
    stderr: `PANNIER_INSTALL must be never or unset, got "${value}"\n`,
  });
  expect(installations()).toEqual([]);
});

test.each(['docker', 'redis-server'])('installs nothing if %s is present', (program) => {
  machine({ userId: 0, hasAptGet: true });
  programs.add(program);
  expect(ensureRedis()).toEqual({ status: 0, stderr: '' });
  expect(ensureRedis({ PANNIER_INSTALL: 'never' })).toEqual({ status: 0, stderr: '' });
  expect(installations()).toEqual([]);
});

test('installs nothing if the engine of PANNIER_TEST_ENGINE is running', () => {
  machine({ userId: 0, hasAptGet: true });
  expect(ensureRedis({ PANNIER_TEST_ENGINE: programs.add('podman') })).toEqual({ status: 0, stderr: '' });
});

test('reports a failed installation', () => {
  machine({ userId: 0, hasAptGet: true });
  programs.add('apt-get', 'exit 100');
  const { status, stderr } = ensureRedis();
  expect(stderr).toMatch(/cannot install redis-server: apt-get failed; see its output, install .*\n$/);
  expect(status).toBe(1);
});
