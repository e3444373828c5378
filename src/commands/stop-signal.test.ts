/**
 * Tests that `nextStopSignal` returns the first signal and that the second signal ends the process, in any order of
 * SIGTERM and SIGINT.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const SCRIPT = `
import { nextStopSignal } from ${JSON.stringify(join(import.meta.dirname, 'stop-signal.ts'))};
setTimeout(() => process.exit(1), 10_000);
const signalled = nextStopSignal();
process.stdout.write('waiting');
process.stdout.write(await signalled);
`;

test.each([
  ['SIGTERM', 'SIGINT'],
  ['SIGINT', 'SIGTERM'],
  ['SIGTERM', 'SIGTERM'],
] as const)('returns %s and then lets %s end the process', async (first, second) => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', SCRIPT], {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 20_000,
    killSignal: 'SIGKILL',
  });
  const ended = once(child, 'exit');
  expect(String(await once(child.stdout, 'data'))).toBe('waiting');
  child.kill(first);
  expect(String(await once(child.stdout, 'data'))).toBe(first);
  child.kill(second);
  expect(await ended).toEqual([null, second]);
});
