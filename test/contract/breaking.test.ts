/**
 * Tests that `make check` rejects protos that break clients of the released protos (proto/released.binpb), and accepts
 * additions.
 *
 * The tests run the command of the Makefile on a copy of the protos.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { repositoryRoot } from '../support/repository.ts';

const makefile = readFileSync(join(repositoryRoot, 'Makefile'), 'utf8');
const command = /^proto-breaking:.*\n\t(.+)$/m.exec(makefile)?.[1] ?? 'exit 1';
const programs = join(repositoryRoot, 'node_modules', '.bin');
let copy: string;

beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), 'pannier-breaking-'));
  for (const name of ['buf.yaml', 'proto', 'third_party']) {
    cpSync(join(repositoryRoot, name), join(copy, name), { recursive: true });
  }
});

afterEach(() => {
  rmSync(copy, { recursive: true });
});

function edit(path: string, from: string | RegExp, to: string): void {
  const text = readFileSync(join(copy, path), 'utf8');
  const edited = text.replace(from, to);
  if (edited === text) {
    throw new Error(`cannot edit ${path}: it does not contain ${from}`);
  }
  writeFileSync(join(copy, path), edited);
}

/** Returns the exit code and the findings, which buf writes to stdout. */
async function compare(): Promise<{ code: unknown; findings: string }> {
  const env = { ...process.env, PATH: `${programs}${delimiter}${process.env.PATH}` };
  try {
    const { stdout } = await promisify(execFile)('sh', ['-c', command], { cwd: copy, env });
    return { code: 0, findings: stdout };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string };
    return { code, findings: `${stdout}${stderr}` };
  }
}

test('make check compares the protos with the released ones', () => {
  expect(makefile).toMatch(/^check:.* proto-breaking\b/m);
});

test('accepts the protos of this version', async () => {
  expect(await compare()).toEqual({ code: 0, findings: '' });
});

test('accepts an added field, message and method', async () => {
  edit('proto/pannier/v1/cache.proto', /^message CacheGetRequest \{$/m, '$&\n  bool added = 1000;');
  edit(
    'proto/pannier/v1/session.proto',
    /^service SessionService \{$/m,
    '$&\n  rpc Add(AddRequest) returns (AddResponse);',
  );
  edit('proto/pannier/v1/session.proto', /$/, '\nmessage AddRequest {}\n\nmessage AddResponse {}\n');
  expect(await compare()).toEqual({ code: 0, findings: '' });
});

test.each([
  ['a removed field', /^ {2}bytes key = 2;\n/m, '', 'Previously present field "2" with name "key" on message'],
  ['a renamed field', /^ {2}bytes key = 2;$/m, '  bytes name = 2;', 'changed name from "key" to "name"'],
  ['a field of another type', /^ {2}bytes key = 2;$/m, '  string key = 2;', 'changed type from "bytes" to "string"'],
  ['another Java package', 'dev.pannier.v1', 'dev.pannier', 'option "java_package" changed'],
  ['a removed method', /^ {2}rpc CacheGet\(.*\n/m, '', 'Previously present RPC "CacheGet"'],
])('rejects %s', async (_case, from, to, finding) => {
  edit('proto/pannier/v1/cache.proto', from, to);
  expect(await compare()).toEqual({ code: 100, findings: expect.stringContaining(finding) });
});

test('rejects a removed field of another service', async () => {
  edit('proto/pannier/v1/rate_limit.proto', /^ {2}bool never = 8;\n/m, '');
  expect((await compare()).findings).toContain('Previously present field "8" with name "never"');
});
