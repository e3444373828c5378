/**
 * Tests the notes that Helm prints after an installation: instructions for requesting a sidecar, and a warning for each
 * risky value.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { at, chartDirectory, helm, type Values, withValuesFile } from '../support/kubernetes/helm.ts';

/**
 * Copy of the chart that renders its notes as a ConfigMap, because `helm template` omits notes and `helm install` may
 * need a cluster.
 */
const copy = mkdtempSync(join(tmpdir(), 'pannier-notes-'));

beforeAll(() => {
  cpSync(chartDirectory, copy, { recursive: true });
  const text = readFileSync(join(copy, 'templates', 'NOTES.txt'), 'utf8');
  writeFileSync(join(copy, 'templates', '_notes.tpl'), `{{- define "notes" }}${text}{{ end -}}`);
  const object =
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes}\ndata: {text: {{ include "notes" . | toJson }}}\n';
  writeFileSync(join(copy, 'templates', 'notes.yaml'), object);
});

afterAll(() => {
  rmSync(copy, { recursive: true, force: true });
});

function notes(values: Values): string {
  return withValuesFile(values, (file) => {
    const cluster = ['-n', 'pannier-system', '--kube-version', '1.34.4'];
    const result = helm(['template', 'pannier', copy, ...cluster, '-f', file, '-s', 'templates/notes.yaml']);
    if (result.status !== 0) {
      throw new Error(`cannot render the notes: ${result.stderr}`);
    }
    return String(at(parse(result.stdout), 'data.text'));
  });
}

const redis = { url: 'redis://one:6379' };

test('explains the next steps without a warning for safe values', () => {
  const text = notes({ redis });
  expect(text).toContain('pannier.dev/inject: "true"');
  expect(text).toContain('127.0.0.1:9470 and unix:/run/pannier/pannier.sock');
  expect(text).toContain('helm test pannier -n pannier-system');
  expect(text).toContain('Deployment pannier-injector');
  expect(text).not.toContain('WARNING');
});

const RISKY: readonly { readonly values: Values; readonly warning: string }[] = [
  { values: {}, warning: 'no Redis is configured' },
  { values: { devRedis: { enabled: true } }, warning: 'devRedis is for trials only' },
  { values: { devRedis: { enabled: true }, redis }, warning: 'no sidecar uses devRedis' },
  { values: { redis: { url: 'redis://user:word@one' } }, warning: 'redis.url contains a password' },
  { values: { redis: { url: 'redis+sentinel://user:word@one/main' } }, warning: 'redis.url contains a password' },
  { values: { redis, injector: { replicaCount: 1 } }, warning: 'injector.replicaCount is 1' },
  { values: { redis, webhook: { failurePolicy: 'Fail' } }, warning: 'webhook.failurePolicy is Fail' },
  { values: { redis, admissionPolicy: { enabled: false } }, warning: 'admissionPolicy.enabled is false' },
  { values: { redis, admissionPolicy: { validationActions: ['Warn'] } }, warning: 'lacks Deny' },
  { values: { redis, image: { tag: 'latest' } }, warning: 'image.tag is latest' },
  { values: { redis, injectionMode: 'mutating-policy' }, warning: 'before Kubernetes 1.36' },
];

test.each(RISKY)('$values: warns "$warning"', ({ values, warning }) => {
  expect(notes(values)).toMatch(new RegExp(`WARNING:[^]*${warning}`));
});

test('explains that helm test runs no pod without a namespace that contains the Redis Secret', () => {
  expect(notes({ redis: { ...redis, secretName: 'login' } })).toContain(
    '`helm test` runs no pod: set tests.namespace to a namespace that contains the Secret login.',
  );
});
