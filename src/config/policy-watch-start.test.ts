/**
 * Tests the start with an optional policy file that is large, too large, or cannot be parsed.
 */
import { rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import {
  failing,
  logged,
  mountKeys,
  outcomes,
  path,
  policy,
  reload,
  start,
  texts,
} from '../../test/support/config/watched-policy-file.ts';
import { waitFor } from '../../test/support/wait.ts';
import { parsePolicyFile } from './policies.ts';
import type { PolicyWatchOptions } from './policy-watch.ts';

/** Returns a file that the main thread does not parse, because it is above 4 KiB. */
function large(text: string): string {
  return `${text}# ${'x'.repeat(5_000)}\n`;
}

test('parses a large optional file in a worker at start, and every part has an error meanwhile', async () => {
  writeFileSync(path, large(policy('good')));
  const running = start({ isOptional: true });
  expect(running.current().broken).toMatchObject({
    otherPolicies: expect.stringContaining('the sidecar is parsing it'),
    sessions: expect.stringContaining('the sidecar is parsing it'),
  });
  await running.waitForStart(60_000);
  expect([[...running.current().policies.keys()], running.current().broken, texts(running)]).toEqual([
    ['good'],
    undefined,
    [],
  ]);
  expect([logged, outcomes]).toEqual([[], []]);
});

test('starts without a large file whose parse takes too long, and reports the result as a reload', async () => {
  writeFileSync(path, large(policy('good')));
  const { promise, resolve } = Promise.withResolvers<void>();
  const startParse: PolicyWatchOptions['startParse'] = (text) => ({
    result: promise.then(() => parsePolicyFile(text)),
    cancel: () => undefined,
  });
  const running = start({ isOptional: true, startParse });
  await running.waitForStart(1);
  expect(texts(running)).toEqual([expect.stringContaining('the sidecar is parsing it')]);
  resolve();
  await waitFor('the policies', () => running.current().policies.has('good'));
  expect([texts(running), outcomes]).toEqual([[], ['reloaded']]);
});

test.each([
  ['at start', large(policy('good'))],
  ['after the start without a file', undefined],
])('does not use defaults for a file that was never parsed because its thread failed %s', async (_, text) => {
  if (text !== undefined) {
    writeFileSync(path, text);
  }
  const { startParse } = failing(1);
  const running = start({ isOptional: true, startParse, parseRetry: { firstMs: 1, maxMs: 1 } });
  await running.waitForStart(60_000);
  if (text === undefined) {
    await reload(running, large(policy('good')));
  }
  expect(texts(running)).toEqual([expect.stringContaining('the parser thread exited; the sidecar retries')]);
  const { broken } = running.current();
  expect([broken?.otherPolicies, broken?.sessions, broken?.cacheDefault]).toEqual(Array(3).fill(texts(running)[0]));
  await waitFor('the retry', async () => {
    await running.check();
    return running.current().policies.has('good');
  });
  expect([texts(running), running.current().broken]).toEqual([[], undefined]);
});

test('does not read a file that is too large, and names its size', async () => {
  writeFileSync(path, '');
  truncateSync(path, 2 ** 40);
  const running = start({ isOptional: true });
  const text = `cannot read the policy file ${path}: the file must be at most 1048576 bytes, got ${2 ** 40} bytes; remove policies`;
  expect(texts(running)).toEqual([text]);
  expect(() => start()).toThrow(text);
  rmSync(path);
  await reload(running, policy('after'));
  expect(running.current().policies.size).toBe(1);
  truncateSync(path, 2 ** 40);
  await running.check();
  await running.check();
  expect([texts(running), running.current().policies.size]).toEqual([[text], 1]);
});

test('does not list the key itself as an existing key while its link is being removed', async () => {
  mountKeys('other');
  symlinkSync('..data/policies.yaml', path);
  expect(texts(start({ isOptional: true }))).toEqual([expect.stringContaining('only other; rename')]);
});
