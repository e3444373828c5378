/**
 * The protos as users of other languages get them.
 *
 * Invariants:
 * 1. Every proto of Pannier, present and future, names its package in each language that needs an option for that.
 * 2. proto/ holds no proto of others, because code generated from it must not register a second copy of their messages.
 */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { repositoryFiles, repositoryRoot } from '../support/repository.ts';

const protoFiles = repositoryFiles(['proto/**/*.proto']);

/** `rate_limit.proto` as `RateLimitProto`. */
function outerClassOf(path: string): string {
  const words = basename(path, '.proto').split('_');
  return `${words.map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`).join('')}Proto`;
}

function optionsOf(path: string): Record<string, string> {
  const text = readFileSync(join(repositoryRoot, path), 'utf8');
  const options = [...text.matchAll(/^option (\w+) = (?:"([^"]*)"|(\w+));$/gm)];
  return Object.fromEntries(options.map(([, name, quoted, word]) => [name, quoted ?? word]));
}

test.each(protoFiles)('%s names its package in every language', (path) => {
  expect(optionsOf(path)).toEqual({
    csharp_namespace: 'Pannier.V1',
    go_package: 'pannier.dev/api/pannier/v1;pannierv1',
    java_multiple_files: 'true',
    java_outer_classname: outerClassOf(path),
    java_package: 'dev.pannier.v1',
    php_namespace: 'Pannier\\\\V1',
    ruby_package: 'Pannier::V1',
  });
});

test('proto/ holds nothing but the protos of Pannier and descriptor sets', () => {
  const files = repositoryFiles(['proto/**/*']);
  expect(files.filter((path) => !/^proto\/(pannier\/v1\/\w+\.proto|[\w-]+\.binpb)$/.test(path))).toEqual([]);
  expect(protoFiles.length).toBeGreaterThan(0);
});
