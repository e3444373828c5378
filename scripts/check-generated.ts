/**
 * Fails if a committed generated file differs from the output for the current protos. `make check` runs this script.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { generateProto } from './generate-proto.ts';

const root = dirname(import.meta.dirname);
const scratch = mkdtempSync(join(tmpdir(), 'pannier-generated-'));

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}

function staleFiles(committedDirectory: string, freshDirectory: string): string[] {
  const names = new Set([...filesBelow(committedDirectory), ...filesBelow(freshDirectory)]);
  return [...names].filter((name) => contentOf(committedDirectory, name) !== contentOf(freshDirectory, name));
}

function contentOf(directory: string, name: string): string | undefined {
  try {
    return readFileSync(join(directory, name), 'latin1');
  } catch {
    return undefined;
  }
}

try {
  const freshTypes = join(scratch, 'src', 'grpc', 'generated');
  const freshSet = join(scratch, 'descriptor-set.binpb');
  generateProto(freshTypes, freshSet, join(scratch, 'pannier.d.ts'));
  const stale = staleFiles(join(root, 'src', 'grpc', 'generated'), freshTypes).map(
    (name) => `src/grpc/generated/${name}`,
  );
  if (contentOf(join(root, 'proto'), 'descriptor-set.binpb') !== contentOf(scratch, 'descriptor-set.binpb')) {
    stale.push('proto/descriptor-set.binpb');
  }
  if (contentOf(join(root, 'examples', 'node'), 'pannier.d.ts') !== contentOf(scratch, 'pannier.d.ts')) {
    stale.push('examples/node/pannier.d.ts');
  }
  if (stale.length > 0) {
    process.stderr.write(`cannot pass the check: generated files are stale (${stale.join(', ')}); run 'make proto'\n`);
    process.exitCode = 1;
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
