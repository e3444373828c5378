/**
 * Tests that the schema of `sidecar.env` accepts exactly the settings that the injector accepts, so that `helm install`
 * rejects an invalid setting before the injector starts.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import {
  integerPattern,
  settingRule,
  settingRulesTemplate,
  settingSchema,
  withSettingsSchema,
} from '../../scripts/chart-settings-schema.ts';
import { PREFIX, SETTINGS, type SettingRow } from '../../src/config/settings.ts';
import { parseSidecarConfig } from '../../src/injection/sidecar-config.ts';
import { SETTABLE } from '../../src/injection/values.ts';
import { at, chartDirectory, find, render, template } from '../support/kubernetes/helm.ts';

const schemaText = readFileSync(join(chartDirectory, 'values.schema.json'), 'utf8');

test('the schema of settings matches the table in the code (make docs)', () => {
  expect(schemaText).toBe(withSettingsSchema(schemaText));
  expect(readFileSync(join(chartDirectory, 'templates', '_settings.tpl'), 'utf8')).toBe(settingRulesTemplate());
  const described = Object.keys(at(JSON.parse(schemaText), 'definitions.settings.properties') as object);
  expect(described).toEqual(SETTABLE.map((row) => PREFIX + row.name));
  expect(described.length).toBeGreaterThan(10);
});

test('integerPattern matches exactly the integers of its range', () => {
  const bound = fc.oneof(fc.nat({ max: 1_200 }), fc.nat({ max: 2_147_483_647 }), fc.constantFrom(0, 9, 10, 99, 1_000));
  fc.assert(
    fc.property(bound, bound, bound, (one, two, value) => {
      const [min, max] = [Math.min(one, two), Math.max(one, two)];
      const pattern = new RegExp(`^(${integerPattern(min, max)})$`);
      for (const candidate of [value, min - 1, min, min + 1, max - 1, max, max + 1].filter((number) => number >= 0)) {
        const isWithin = candidate >= min && candidate <= max;
        expect({ min, max, candidate, isWithin: pattern.test(String(candidate)) }).toMatchObject({ isWithin });
      }
    }),
  );
});

/**
 * Returns whether a schema accepts a value. Supports only those keywords of JSON Schema that occur in the schemas of
 * the settings.
 */
function accepts(schema: Readonly<Record<string, unknown>>, value: string | number | boolean): boolean {
  if (schema.enum !== undefined) {
    return (schema.enum as unknown[]).includes(value);
  }
  const types = [schema.type].flat() as string[];
  if (typeof value === 'string') {
    const isShort = value.length <= Number(schema.maxLength ?? Number.POSITIVE_INFINITY);
    return types.includes('string') && isShort && new RegExp(String(schema.pattern ?? '')).test(value);
  }
  if (typeof value === 'boolean') {
    return types.includes('boolean');
  }
  const isType = types.includes('number') || (types.includes('integer') && Number.isInteger(value));
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema;
  return isType && value >= Number(minimum) && value <= Number(maximum);
}

/** Returns whether the schema and the template with the long patterns accept a value. */
function chartAccepts(row: SettingRow, value: string | number | boolean): boolean {
  const rule = settingRule(row);
  const isMatch = rule === undefined || typeof value !== 'string' || new RegExp(rule.pattern).test(value);
  return isMatch && accepts(settingSchema(row), value);
}

/**
 * Returns whether the injector accepts a setting. The value is a string, because the chart quotes every value in the
 * configuration of the injector.
 */
function injectorAccepts(name: string, value: string | number | boolean): boolean {
  const env = { [name]: String(value) };
  return 'config' in parseSidecarConfig(JSON.stringify({ sidecar: { image: 'pannier:1', env } }));
}

const VALUES = [
  ...[
    '',
    ' ',
    '0',
    '1',
    '007',
    '15',
    '16',
    '17',
    '19',
    '20',
    '60000',
    '60001',
    '600000',
    '600001',
    '999999',
    '1000000',
  ],
  ...['2147483647', '2147483648', '3145728', '3145729', '100000000', '100000001', '100000000000', '100000000001'],
  ...['5s', '-5', '1.5', '1e3', '+20', '0x20', 'many', '0000000000000100', 'true', 'http2', 'grpc-js', 'HTTP2'],
  ...[
    'redis://one',
    'redis://one:6379',
    'redis://one:6379/0',
    'redis://one/3',
    'redis://one, redis://two:1',
    'one:6379',
  ],
  ...['rediss://u:p@one,rediss://two/', 'redis://one,rediss://two', 'redis://', 'http://one', ','],
  ...['redis+sentinel://one:26379, two/main', 'rediss+sentinel://u:p,w@one/shop-main.1', 'redis+sentinel://one'],
  ...['redis+sentinel://one/main,redis+sentinel://two/main', 'redis+sentinel:///main', 'redis+sentinel://one/a b'],
  ...['localhost', 'redis-0.example', '0-0', 'a.1b', '10.0.0.5', 'a..b', '-a', 'a-', '*.example', '::1'],
  ...['a=b', '10.0.0.5:6379=redis-0.example', '[fd00::1]:1=[::1], a = b:2', 'a=b,', '=b', '*=b', 'a=b=c'],
  ...['redis://[fd00::1]:6379', 'a{b}', 'pannier:', 'x'.repeat(64), 'x'.repeat(65), '$(A)', 'é', 'a b', '~|'],
  ...[0, 1, 15, 16, 17, 20, 500, 60_001, 1.5, -5, 100_000_000_000, 100_000_000_001, true, false],
];

test.each(SETTABLE.map((row) => [row.name, row] as const))(
  '%s: the chart accepts exactly the values that the injector accepts',
  (name, row) => {
    const different = VALUES.filter((value) => chartAccepts(row, value) !== injectorAccepts(PREFIX + name, value));
    expect(different).toEqual([]);
    expect(VALUES.filter((value) => chartAccepts(row, value)).length).toBeGreaterThan(1);
  },
);

test('the injector rejects invalid URLs that the pattern of the schema cannot exclude', () => {
  const row = SETTABLE.find((candidate) => candidate.name === 'CACHE_REDIS_URL');
  for (const url of ['redis://one:99999', 'redis://:6379', 'redis://user@']) {
    expect([url, chartAccepts(row ?? SETTINGS[1], url), injectorAccepts('PANNIER_CACHE_REDIS_URL', url)]).toEqual([
      url,
      true,
      false,
    ]);
  }
});

test.each([
  ['PANNIER_REDIS_COMMAND_TIMEOUT_MS', '5s'],
  ['PANNIER_REDIS_COMMAND_TIMEOUT_MS', 5],
  ['PANNIER_REDIS_COMMAND_TIMEOUT_MS', '60001'],
  ['PANNIER_REDIS_COMMAND_TIMEOUT_MS', true],
  ['PANNIER_GRPC_TRANSPORT', 'http3'],
  ['PANNIER_KEY_PREFIX', 'a b'],
  ['PANNIER_CACHE_REDIS_URL', 'redis://one,rediss://two'],
  ['PANNIER_REDIS_TIMEOUT', 500],
  ['PANNIER_SCOPE', 'x'],
  ['PANNIER_PORT', '9470'],
  ['LANG', 'C'],
])('Helm and the injector reject %s=%j', (name, value) => {
  const result = template({ sidecar: { env: { [name]: value } } });
  expect(result.status).not.toBe(0);
  expect(result.stderr).toContain(name);
  // A template reports the value if the pattern is too long for an error of the schema.
  expect(result.stderr).toMatch(/schema|must be/);
  expect(injectorAccepts(name, value)).toBe(false);
});

test('Helm accepts settings as numbers and strings, and the injector reads the same values', () => {
  const env = {
    PANNIER_CACHE_REDIS_URL: ' redis://one:6379, redis://two',
    PANNIER_REDIS_COMMAND_TIMEOUT_MS: 500,
    PANNIER_REDIS_CONNECT_TIMEOUT_MS: '0500',
    PANNIER_GRPC_TRANSPORT: '',
    PANNIER_KEY_PREFIX: 7,
    PANNIER_NEAR_CACHE_MAX_BYTES: 100_000_000_000,
    PANNIER_CACHE_MAX_VALUE_BYTES: '3145728',
  };
  const configMap = find(render({ sidecar: { env } }), 'ConfigMap', 'pannier-injector-config');
  const read = parseSidecarConfig(String(at(configMap, 'data')?.['injector.yaml' as never]));
  expect('config' in read ? read.config.env : read).toEqual(
    Object.fromEntries(Object.entries(env).map(([name, value]) => [name, String(value)])),
  );
});
