/**
 * Tests the properties of the protos on which generated code in other languages depends.
 *
 *   1. Every proto of Pannier sets the package option of each language that needs one.
 *   2. proto/ contains only protos of Pannier. Code that clients generate from a copy of another proto would register
 *      the messages of that proto a second time.
 *   3. Messages and enums are top-level, because the Go name of a nested type can collide with a name that Go generates
 *      for a oneof case.
 *   4. No field has the name of its message, because C# would append an underscore to the name of the field.
 *      docs/clients.md lists the exceptions.
 */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readContract } from '../../src/grpc/descriptors.ts';
import { repositoryFiles, repositoryRoot } from '../support/repository.ts';

const protoFiles = repositoryFiles(['proto/**/*.proto']);

const contract = readContract();
const messages = [...contract.messages].filter(([name, { isMapEntry }]) => name.startsWith('pannier.') && !isMapEntry);

/** Converts snake case to Pascal case: `rate_limit` becomes `RateLimit`. */
function pascalCase(name: string): string {
  const words = name.split('_');
  return words.map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`).join('');
}

function optionsOf(path: string): Record<string, string> {
  const text = readFileSync(join(repositoryRoot, path), 'utf8');
  const options = [...text.matchAll(/^option (\w+) = (?:"([^"]*)"|(\w+));$/gm)];
  return Object.fromEntries(options.map(([, name, quoted, word]) => [name, quoted ?? word]));
}

test.each(protoFiles)('%s sets its package in every language', (path) => {
  expect(optionsOf(path)).toEqual({
    csharp_namespace: 'Pannier.V1',
    go_package: 'pannier.dev/api/pannier/v1;pannierv1',
    java_multiple_files: 'true',
    java_outer_classname: `${pascalCase(basename(path, '.proto'))}Proto`,
    java_package: 'dev.pannier.v1',
    php_namespace: 'Pannier\\\\V1',
    ruby_package: 'Pannier::V1',
  });
});

test('proto/ contains only the protos of Pannier and descriptor sets', () => {
  const files = repositoryFiles(['proto/**/*']);
  expect(files.filter((path) => !/^proto\/(pannier\/v1\/\w+\.proto|[\w-]+\.binpb)$/.test(path))).toEqual([]);
  expect(protoFiles.length).toBeGreaterThan(0);
});

test('all messages and enums are top-level', () => {
  const names = [...messages.map(([name]) => name), ...contract.enums.keys()].filter((name) =>
    name.startsWith('pannier.'),
  );
  expect(names.filter((name) => !/^pannier\.v1\.\w+$/.test(name))).toEqual([]);
  expect(names).toContain('pannier.v1.WatchFlush');
});

test('only the fields that docs/clients.md lists have the name of their message', () => {
  const colliding = messages.flatMap(([name, { fields }]) =>
    fields.filter((field) => name.endsWith(`.${pascalCase(field.name)}`)).map((field) => `${name}.${field.name}`),
  );
  expect(colliding).toEqual(['pannier.v1.Limit.limit']);
});
