/**
 * Generates from proto/ what is committed: the message types (src/grpc/generated) and the descriptor set that reflection
 * answers from. `scripts/check-generated.ts` (part of `make check`) fails when they are stale.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = dirname(import.meta.dirname);

const PROTO_FILES = [
  'pannier/v1/rate_limit.proto',
  'pannier/v1/session.proto',
  'pannier/v1/cache.proto',
  'grpc/health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
];

/** Writes the types below `typesDirectory` and the descriptor set to `descriptorSetPath`. */
export function generateProto(typesDirectory: string, descriptorSetPath: string): void {
  rmSync(typesDirectory, { recursive: true, force: true });
  mkdirSync(typesDirectory, { recursive: true });
  const typeOptions = ['--longs=Number', '--defaults', '--arrays', '--objects', '--importFileExtension=.ts'];
  run('proto-loader-gen-types', [
    ...typeOptions,
    '--outputTemplate=%sOutput',
    '-I',
    'proto',
    `--outDir=${typesDirectory}`,
    ...PROTO_FILES,
  ]);
  run('buf', ['build', 'proto', '--as-file-descriptor-set', '-o', descriptorSetPath]);
}

function run(program: string, args: readonly string[]): void {
  execFileSync(join(root, 'node_modules', '.bin', program), args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

if (process.argv[1] === import.meta.filename) {
  generateProto(join(root, 'src', 'grpc', 'generated'), join(root, 'proto', 'descriptor-set.binpb'));
}
