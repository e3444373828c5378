/**
 * Tests that docs/reference/errors.md lists every message of DEADLINE_EXCEEDED, and that no other module creates this
 * status.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryFiles, repositoryRoot } from '../../test/support/repository.ts';
import { deadlineOverBeforeStart, deadlineOverInHandler } from './deadline-errors.ts';

const READERS = ['src/commands/call.ts', 'src/grpc/interceptors/call-control.ts', 'src/grpc/status.ts'];

function read(path: string): string {
  return readFileSync(join(repositoryRoot, path), 'utf8');
}

test('docs/reference/errors.md lists both texts and their meaning', () => {
  const rows = read('docs/reference/errors.md')
    .split('\n')
    .filter((line) => line.includes('| `DEADLINE_EXCEEDED` |') && line.startsWith('| `cannot'));
  expect(rows).toEqual([
    `| \`${deadlineOverBeforeStart('<action>').message}\` | \`DEADLINE_EXCEEDED\` | the call was not executed |`,
    `| \`${deadlineOverInHandler().message}\` | \`DEADLINE_EXCEEDED\` | the call may have been executed |`,
  ]);
});

test('no other module creates DEADLINE_EXCEEDED', () => {
  const makers = repositoryFiles(['src/**/*.ts'])
    .filter((path) => !path.endsWith('.test.ts') && !path.startsWith('src/grpc/generated/'))
    .filter((path) => read(path).includes('DEADLINE_EXCEEDED') && !READERS.includes(path));
  expect(makers).toEqual(['src/grpc/deadline-errors.ts', 'src/grpc/error-status.ts']);
  for (const path of READERS) {
    expect(read(path)).not.toMatch(/new StatusError\(\s*Status\.DEADLINE_EXCEEDED/);
  }
});
