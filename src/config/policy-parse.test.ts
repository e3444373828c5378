/**
 * Tests that parsing in a worker thread returns the same result as parsing in this thread, including problems and their
 * lines.
 */
import { parsePolicyFile } from './policies.ts';
import { parserHeapMb, startPolicyParse } from './policy-parse.ts';

function policies(count: number, limits: number): string {
  const limit = (index: number): string => `{ name: l${index}, algorithm: leaky_bucket, limit: 5, per: 1m, burst: 9 }`;
  const list = Array.from({ length: limits }, (_, index) => limit(index)).join(', ');
  const entries = Array.from({ length: count }, (_, index) => `  p${index}: { limits: [${list}], shared: true }\n`);
  return `policies:\n${entries.join('')}`;
}

test.each([
  ['an empty file', ''],
  ['policies in one part', `${policies(3, 1)}cache: { users: { ttl: 1m, near: true } }\nsessions: { idle: 1m }\n`],
  ['policies in many parts', policies(500, 7)],
  ['no policies', 'policies: {}'],
  ['errors', 'policies:\n  a: { limits: 3 }\nsessions: { idle: x }\n'],
  ['errors in many parts', `${policies(500, 7)}  broken: { limits: 3 }\ncache: { users: { ttl: 1 } }\n`],
  ['bytes that are not YAML', 'policies: {\u0000'],
  ['an alias bomb', `a: &a [x]\nb: [${Array(200).fill('*a').join(', ')}]\n`],
  ['a file above 1 MiB', `# ${'x'.repeat(1_048_576)}\n`],
])('returns the result of parsePolicyFile for %s', async (_, text) => {
  expect(await startPolicyParse(text).result).toEqual(parsePolicyFile(text));
});

test('rejects a cancelled parse', async () => {
  const parse = startPolicyParse(policies(500, 7));
  parse.cancel();
  await expect(parse.result).rejects.toThrow('the parser thread exited');
});

const MEBIBYTE = 1_048_576;
test.each([
  ['no memory limit', 0, 112],
  ['the limit of a machine without cgroups', 2 ** 64, 112],
  ['much memory left', 192, 112],
  ['little memory left', 130, 70],
  ['almost no memory left', 64, 32],
  ['more memory in use than the limit', 50, 32],
])('gives the worker a heap that fits into the container: %s', (_, limitMb, expected) => {
  expect(parserHeapMb({ limitBytes: limitMb * MEBIBYTE, usedBytes: 60 * MEBIBYTE })).toBe(expected);
});
