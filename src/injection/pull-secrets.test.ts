/**
 * Tests which pull secrets injection adds to a pod, and that uninjecting removes exactly these.
 */
import { type Injection, injectPod } from './inject-pod.ts';
import type { Pod, PullSecret } from './pod.ts';
import { defaultSidecarConfig } from './sidecar-config.ts';
import { uninjectPod } from './uninject-pod.ts';

interface Case {
  readonly secrets?: readonly PullSecret[];
  readonly requested?: string;
  readonly hasServiceAccountFields?: boolean;
}

const config = { ...defaultSidecarConfig('pannier:1'), imagePullSecrets: ['regcred', 'team'] };

function podWith({ secrets, requested }: Case): Pod {
  return {
    metadata: {
      annotations: {
        'pannier.dev/inject': 'true',
        ...(requested === undefined ? {} : { 'pannier.dev/image-pull-secrets': requested }),
      },
    },
    spec: { ...(secrets === undefined ? {} : { imagePullSecrets: secrets }), containers: [{ name: 'app' }] },
  };
}

function inject(pod: Pod, hasServiceAccountFields = false): Extract<Injection, { kind: 'inject' }> {
  const injection = injectPod({
    pod,
    namespaceLabels: {},
    namespaceAnnotations: {},
    config,
    kubelets: { oldestMinor: 34 },
    hasServiceAccountFields,
  });
  if (injection.kind !== 'inject') {
    throw new Error(JSON.stringify(injection));
  }
  return injection;
}

function namesOf(pod: Pod): (string | undefined)[] | undefined {
  return pod.spec?.imagePullSecrets?.map(({ name }) => name);
}

const LEFT_OUT =
  'pull secret regcred, team of the configuration is not added, because Kubernetes would then ignore the pull secrets of the ServiceAccount; list it with those of the ServiceAccount in annotation pannier.dev/image-pull-secrets, or let the webhook inject the pod';

test.each<readonly [string, Case, readonly string[] | undefined, string | undefined]>([
  [
    'the API server adds the configured secrets to a pod without any',
    { hasServiceAccountFields: true },
    ['regcred', 'team'],
    'imagePullSecrets/regcred,imagePullSecrets/team',
  ],
  [
    'the API server adds only what the ServiceAccount did not bring',
    { hasServiceAccountFields: true, secrets: [{ name: 'team' }, { name: 'account' }] },
    ['team', 'account', 'regcred'],
    'imagePullSecrets/regcred',
  ],
  ['a manifest without secrets keeps those of its ServiceAccount', {}, undefined, undefined],
  ['a manifest with an empty list does too', { secrets: [] }, [], undefined],
  [
    'a manifest with secrets gets the configured ones',
    { secrets: [{ name: 'mine' }] },
    ['mine', 'regcred', 'team'],
    'imagePullSecrets/regcred,imagePullSecrets/team',
  ],
  [
    'the annotation replaces the configuration',
    { requested: 'a, b' },
    ['a', 'b'],
    'imagePullSecrets/a,imagePullSecrets/b',
  ],
  ['a secret of the pod is not added again', { secrets: [{ name: 'a' }], requested: 'a' }, ['a'], undefined],
])('%s', (_name, given, names, added) => {
  const pod = podWith(given);
  const once = inject(pod, given.hasServiceAccountFields);
  expect(namesOf(once.pod)).toEqual(names);
  expect(once.pod.metadata?.annotations?.['pannier.dev/added']).toBe(added);
  const isLeftOut = given.requested === undefined && (names ?? []).length === 0;
  expect(once.notes).toEqual(isLeftOut ? [LEFT_OUT] : []);
  expect(inject(once.pod, given.hasServiceAccountFields).pod).toEqual(once.pod);
  expect(uninjectPod(once.pod)).toEqual(pod);
});

test('the webhook completes a pod that was injected as a manifest', () => {
  const offline = inject(podWith({})).pod;
  const admitted = { ...offline, spec: { ...offline.spec, imagePullSecrets: [{ name: 'account' }] } };
  const completed = inject(admitted, true).pod;
  expect(namesOf(completed)).toEqual(['account', 'regcred', 'team']);
  expect(namesOf(uninjectPod(completed))).toEqual(['account']);
});

test('uninjecting keeps a secret that another program adds under the same name', () => {
  const once = inject(podWith({}), true).pod;
  const secrets = [{ name: 'regcred' }, ...(once.spec?.imagePullSecrets ?? [])];
  const bare = uninjectPod({ ...once, spec: { ...once.spec, imagePullSecrets: secrets } });
  expect(namesOf(bare)).toEqual(['regcred']);
});

test('adding a secret again that was removed from an injected manifest lists the secret once', () => {
  const once = inject(podWith({ secrets: [{ name: 'mine' }] })).pod;
  const edited = { ...once, spec: { ...once.spec, imagePullSecrets: [{ name: 'mine' }, { name: 'team' }] } };
  const again = inject(edited).pod;
  expect(namesOf(again)).toEqual(['mine', 'team', 'regcred']);
  expect(again.metadata?.annotations?.['pannier.dev/added']).toBe('imagePullSecrets/regcred,imagePullSecrets/team');
});
