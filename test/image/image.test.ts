/**
 * Tests that a container of the image becomes ready without any settings, and exits with code 0. The container is
 * read-only, has no capabilities and runs as a non-root user. `make e2e-image` builds the image first. The variable
 * IMAGE selects another image.
 */
import { execFileSync } from 'node:child_process';
import { containerEngine } from '../support/container-engine.ts';
import { waitFor } from '../support/wait.ts';

const image = process.env.IMAGE ?? 'pannier:dev';
const containers: string[] = [];

function docker(...args: string[]): string {
  return execFileSync(containerEngine, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

afterAll(() => {
  for (const container of containers) {
    docker('rm', '--force', container);
  }
});

function startHardened(): string {
  const container = docker(
    ...['run', '--detach', '--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'],
    ...['--memory', '128m', '--publish', '127.0.0.1::9471', image],
  );
  containers.push(container);
  return container;
}

test('becomes ready without settings, read-only and non-root, and exits with 0 after SIGTERM', async () => {
  const container = startHardened();
  const address = docker('port', container, '9471/tcp').split('\n')[0] ?? '';
  await waitFor(
    'the container to be ready',
    async () => (await fetch(`http://${address}/readyz`)).status === 200,
    30_000,
  );
  const user = docker('inspect', '--format', '{{.Config.User}}', container);
  // With runAsNonRoot and without runAsUser, the kubelet accepts only a numeric user.
  expect(user).toBe('65532:65532');
  docker('kill', '--signal', 'TERM', container);
  expect(docker('wait', container)).toBe('0');
  expect(docker('logs', container)).toContain('"serving"');
});

test('prints its version and its settings', () => {
  expect(docker('run', '--rm', '--read-only', image, '--version')).toMatch(/^\d+\.\d+\.\d+$/);
  expect(docker('run', '--rm', '--read-only', image, 'serve', '--help')).toContain('PANNIER_REDIS_URL');
});
