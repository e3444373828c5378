/**
 * Generates the committed files that depend on proto/ and third_party/ (`make proto`). These are the message types
 * (src/grpc/generated), the codecs (src/grpc/generated/codec), the descriptor set that reflection serves, and the types
 * of the Node example.
 *
 * `scripts/check-generated.ts`, a part of `make check`, fails if one of these files is not up to date.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PROTO_DIRECTORIES, PROTO_FILES } from '../src/grpc/contract.ts';
import { parseDescriptorSet } from '../src/grpc/descriptors.ts';
import { readFileModels } from './codec/model.ts';
import { widenIntegers } from './codec/output-types.ts';
import { generateCodecs } from './generate-codecs.ts';
import { exampleTypes } from './generate-example-types.ts';

const root = dirname(import.meta.dirname);

/**
 * Writes types and codecs below `typesDirectory` (src/grpc/generated or a copy of it), the descriptor set to
 * `descriptorSetPath` and the types of the Node example to `exampleTypesPath`.
 */
export function generateProto(typesDirectory: string, descriptorSetPath: string, exampleTypesPath: string): void {
  rmSync(typesDirectory, { recursive: true, force: true });
  mkdirSync(typesDirectory, { recursive: true });
  const typeOptions = ['--longs=Number', '--defaults', '--arrays', '--objects', '--importFileExtension=.ts'];
  run('proto-loader-gen-types', [
    ...typeOptions,
    '--outputTemplate=%sOutput',
    ...PROTO_DIRECTORIES.flatMap((directory) => ['-I', directory]),
    `--outDir=${typesDirectory}`,
    ...PROTO_FILES,
  ]);
  run('buf', ['build', '.', '--as-file-descriptor-set', '-o', descriptorSetPath]);
  const contract = parseDescriptorSet(readFileSync(descriptorSetPath));
  for (const file of readFileModels(contract)) {
    widenIntegers(file, typesDirectory);
  }
  generateCodecs(contract, {
    codecs: join(typesDirectory, 'codec'),
    types: typesDirectory,
    wire: join(typesDirectory, '..', 'wire'),
  });
  writeFileSync(exampleTypesPath, exampleTypes(contract));
}

function run(program: string, args: readonly string[]): void {
  execFileSync(join(root, 'node_modules', '.bin', program), args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

if (process.argv[1] === import.meta.filename) {
  generateProto(
    join(root, 'src', 'grpc', 'generated'),
    join(root, 'proto', 'descriptor-set.binpb'),
    join(root, 'examples', 'node', 'pannier.d.ts'),
  );
}
