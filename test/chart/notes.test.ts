/**
 * What Helm says after an installation: how to ask for a sidecar, and a warning for each choice that one may regret.
 */
import { chartDirectory, helm, type Values, withValuesFile } from '../support/helm.ts';

function notes(values: Values): string {
  return withValuesFile(values, (file) => {
    const place = ['install', 'pannier', chartDirectory, '-n', 'pannier-system', '--dry-run=client', '-f', file];
    const result = helm(place);
    if (result.status !== 0) {
      throw new Error(`Cannot render the notes: ${result.stderr}`);
    }
    return result.stdout.slice(result.stdout.indexOf('NOTES:'));
  });
}

const redis = { url: 'redis://one:6379' };

test('a sound installation is told how to go on, without a warning', () => {
  const text = notes({ redis });
  expect(text).toContain('pannier.dev/inject: "true"');
  expect(text).toContain('127.0.0.1:9470 and unix:/run/pannier/pannier.sock');
  expect(text).toContain('helm test pannier -n pannier-system');
  expect(text).toContain('Deployment pannier-injector');
  expect(text).not.toContain('WARNING');
});

const RISKY: readonly { readonly values: Values; readonly warning: string }[] = [
  { values: {}, warning: 'no Redis' },
  { values: { devRedis: { enabled: true } }, warning: 'devRedis is for trials' },
  { values: { devRedis: { enabled: true }, redis }, warning: 'no sidecar uses it' },
  { values: { redis: { url: 'redis://user:word@one' } }, warning: 'redis.url holds a password' },
  { values: { redis, injector: { replicaCount: 1 } }, warning: 'injector.replicaCount is 1' },
  { values: { redis, webhook: { failurePolicy: 'Fail' } }, warning: 'webhook.failurePolicy is Fail' },
  { values: { redis, admissionPolicy: { enabled: false } }, warning: 'admissionPolicy.enabled is false' },
  { values: { redis, admissionPolicy: { validationActions: ['Warn'] } }, warning: 'lacks Deny' },
  { values: { redis, image: { tag: 'latest' } }, warning: 'image.tag is latest' },
];

test.each(RISKY)('$values: $warning', ({ values, warning }) => {
  expect(notes(values)).toMatch(new RegExp(`WARNING:[^]*${warning}`));
});

test('a test that has no place to run is said so', () => {
  expect(notes({ redis: { ...redis, secretName: 'login' } })).toContain(
    'set tests.namespace to one that has the Secret login',
  );
});
