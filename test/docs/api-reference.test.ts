/**
 * Tests that docs/reference/api.md contains the whole API, with the comments of the protos.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { apiMarkdown } from '../../scripts/api-reference.ts';
import { readContract } from '../../src/grpc/descriptors.ts';
import { repositoryRoot } from '../support/repository.ts';

const page = readFileSync(join(repositoryRoot, 'docs', 'reference', 'api.md'), 'utf8');

/** Returns the names that belong to the package pannier.v1, without the name of the package. */
function ownNames(names: Iterable<string>): string[] {
  const prefix = 'pannier.v1.';
  return [...names].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
}

test('the page is what `make docs` generates', () => {
  const descriptorSet = readFileSync(join(repositoryRoot, 'proto', 'descriptor-set.binpb'));
  expect(page).toBe(apiMarkdown(descriptorSet));
});

test('the page has every service, method, message, field, enum and enum value', () => {
  const { services, messages, enums } = readContract();
  const own = new Map([...messages].filter(([name, { isMapEntry }]) => name.startsWith('pannier.v1.') && !isMapEntry));
  const methods = [...services].filter(([name]) => name.startsWith('pannier.v1.')).flatMap(([, each]) => each);
  const headings = [...ownNames(services.keys()), ...methods.map(({ name }) => name), ...ownNames(own.keys())];
  expect(headings.filter((name) => !new RegExp(`^##+ ${name}$`, 'm').test(page))).toEqual([]);
  const rows = [
    ...[...own.values()].flatMap(({ fields }) => fields.map(({ name, number }) => `| \`${name}\` | ${number} |`)),
    ...[...enums]
      .filter(([name]) => name.startsWith('pannier.v1.'))
      .flatMap(([, values]) => [...values].map(([name, number]) => `| \`${name}\` | ${number} |`)),
  ];
  expect(rows.length).toBeGreaterThan(100);
  expect(rows.filter((row) => !page.includes(row))).toEqual([]);
});

test('fields that this version does not serve say so on the page', () => {
  expect(page).toMatch(/^\| `lease` \| 7 \| string \| This version does not support the field: it is always empty\./m);
});
