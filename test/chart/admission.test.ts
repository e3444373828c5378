/**
 * Tests which objects the API server sends to the injector, and which pods and namespaces the admission policies
 * reject. The tests in test/kubernetes check the same behavior on a real API server.
 */
import { at, find, type Manifest, render, type Values } from '../support/kubernetes/helm.ts';

interface Webhook {
  readonly name: string;
  readonly clientConfig: { readonly service: unknown; readonly caBundle?: string };
  readonly failurePolicy: string;
  readonly timeoutSeconds: number;
  readonly sideEffects: string;
  readonly reinvocationPolicy: string;
  readonly namespaceSelector: { readonly matchLabels?: unknown; readonly matchExpressions: readonly unknown[] };
  readonly matchConditions: readonly { readonly name: string; readonly expression: string }[];
  readonly rules: readonly unknown[];
}

/**
 * Pattern of a rejection message, or of a CEL expression that evaluates to such a message: `cannot inject Pannier:
 * <cause>; <remedy>`.
 */
const REFUSAL = /^"?cannot inject Pannier: [^\n;]+; (?:check|remove|rename|run|set|use) [^\n]*[^\n.]$/;

function webhooksOf(values: Values = {}): Webhook[] {
  return find(render(values), 'MutatingWebhookConfiguration', 'pannier-injector').webhooks as Webhook[];
}

describe('the MutatingWebhookConfiguration', () => {
  test('matches pods and namespaces that request injection, and annotated namespaces', () => {
    expect(webhooksOf().map((webhook) => [webhook.name, at(webhook, 'clientConfig.service.path')])).toEqual([
      ['pods.pannier.dev', '/mutate-pod'],
      ['namespaced-pods.pannier.dev', '/mutate-pod'],
      ['namespaces.pannier.dev', '/mutate-namespace'],
    ]);
    expect(webhooksOf().map((webhook) => webhook.namespaceSelector.matchLabels)).toEqual([
      undefined,
      { 'pannier.dev/inject': 'true' },
      undefined,
    ]);
  });

  test('is ignored if the injector does not answer within 3 seconds', () => {
    for (const webhook of webhooksOf()) {
      expect(webhook).toMatchObject({
        failurePolicy: 'Ignore',
        timeoutSeconds: 3,
        sideEffects: 'None',
        reinvocationPolicy: 'IfNeeded',
      });
    }
  });

  test('excludes kube-system, the namespace of the release, and webhook.excludedNamespaces', () => {
    for (const webhook of webhooksOf({ webhook: { excludedNamespaces: ['legacy'] } })) {
      expect(webhook.namespaceSelector.matchExpressions).toEqual([
        { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', 'pannier-system', 'legacy'] },
      ]);
    }
  });

  test('has match conditions that exclude pods which do not request injection', () => {
    const names = webhooksOf().map((webhook) => webhook.matchConditions.map((condition) => condition.name));
    expect(names).toEqual([
      ['requests-injection', 'no-mirror-pod'],
      ['has-no-annotation', 'no-mirror-pod'],
      ['annotation-differs-from-label'],
    ]);
  });

  test('has no caBundle except the given one with certificates.mode files', () => {
    expect(webhooksOf().filter((webhook) => 'caBundle' in webhook.clientConfig)).toEqual([]);
    const caBundle = '-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n';
    const files = webhooksOf({ certificates: { mode: 'files', files: { secretName: 'tls', caBundle } } });
    expect(files.map((webhook) => webhook.clientConfig.caBundle)).toEqual(
      Array(3).fill(Buffer.from(caBundle).toString('base64')),
    );
  });
});

describe('the ValidatingAdmissionPolicies', () => {
  test('fail closed, match the same namespaces as the webhooks, and deny', () => {
    const manifests = render();
    for (const name of ['pannier-injected', 'pannier-injected-namespaces']) {
      const policy = find(manifests, 'ValidatingAdmissionPolicy', name);
      expect(at(policy, 'spec.failurePolicy')).toBe('Fail');
      expect(at(policy, 'spec.matchConstraints.namespaceSelector')).toEqual(webhooksOf()[0]?.namespaceSelector);
      expect(at(find(manifests, 'ValidatingAdmissionPolicyBinding', name), 'spec')).toEqual({
        policyName: name,
        validationActions: ['Deny'],
      });
    }
  });

  test('reject with one line that names the cause and a remedy', () => {
    for (const values of [{}, { injectionMode: 'mutating-policy' }]) {
      const policies = render(values).filter(({ kind }) => kind === 'ValidatingAdmissionPolicy');
      const validations = policies.flatMap((policy) => at(policy, 'spec.validations') as Record<string, string>[]);
      expect(validations.length).toBeGreaterThan(3);
      for (const { message, messageExpression } of validations) {
        expect(message ?? messageExpression).toMatch(REFUSAL);
      }
    }
  });

  test('treat an annotation without a value as invalid, not as absent', () => {
    for (const values of [{}, { injectionMode: 'mutating-policy' }]) {
      const policies = render(values).filter(({ kind, metadata }) => {
        return kind.endsWith('AdmissionPolicy') && metadata.name === 'pannier-injected';
      });
      for (const policy of policies) {
        const variables = at(policy, 'spec.variables') as { name: string; expression: string }[];
        expect(variables.find(({ name }) => name === 'podRequest')?.expression).toContain("== '' ? '(empty)' :");
      }
      expect(policies.length).toBeGreaterThan(0);
    }
  });

  test('can be disabled or reduced to a warning', () => {
    const kinds = render({ admissionPolicy: { enabled: false } }).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind.startsWith('ValidatingAdmissionPolicy'))).toEqual([]);
    const warning = render({ admissionPolicy: { validationActions: ['Warn', 'Audit'] } });
    const binding = find(warning, 'ValidatingAdmissionPolicyBinding', 'pannier-injected');
    expect(at(binding, 'spec.validationActions')).toEqual(['Warn', 'Audit']);
  });
});

describe('injection mode mutating-policy', () => {
  const kindsOf = (manifests: readonly Manifest[]): string[] => manifests.map(({ kind }) => kind);

  test('renders no workload, no binding of a role, and the configuration for `pannier injection status`', () => {
    const manifests = render({
      injectionMode: 'mutating-policy',
      certificates: { mode: 'cert-manager' },
      networkPolicy: { enabled: true },
    });
    expect(kindsOf(manifests).toSorted()).toEqual([
      'ClusterRole',
      'ConfigMap',
      'MutatingAdmissionPolicy',
      'MutatingAdmissionPolicyBinding',
      'Namespace',
      'Pod',
      'Pod',
      ...Array(4).fill('ValidatingAdmissionPolicy'),
      ...Array(4).fill('ValidatingAdmissionPolicyBinding'),
    ]);
  });

  test('rejects pods that conflict with the sidecar, as the injector does', () => {
    const policyOf = (values: Values): Manifest =>
      find(render(values), 'ValidatingAdmissionPolicy', 'pannier-injected');
    const namesOf = (values: Values): string[] =>
      (at(policyOf(values), 'spec.variables') as { name: string }[]).map(({ name }) => name);
    const own = ['otherContainers', 'portConflicts', 'socketConflicts', 'volumeConflicts', 'windowsField'];
    expect(namesOf({ injectionMode: 'mutating-policy' })).toEqual(expect.arrayContaining(own));
    expect(namesOf({}).filter((name) => own.includes(name))).toEqual([]);
    const bare = { injectionMode: 'mutating-policy', policiesConfigMap: '', sidecar: { socket: false } };
    expect(namesOf(bare)).not.toContain('socketConflicts');
    // The validation expressions must refer to every conflict variable of the policy except `otherContainers`.
    for (const values of [{ injectionMode: 'mutating-policy' }, bare]) {
      const validations = JSON.stringify(at(policyOf(values), 'spec.validations'));
      const conflicts = namesOf(values).filter((name) => own.includes(name) && name !== 'otherContainers');
      expect(conflicts.filter((name) => !validations.includes(`variables.${name}`))).toEqual([]);
    }
  });

  test('checks the volumes of pods with the configuration hash that it writes', () => {
    const values = {
      injectionMode: 'mutating-policy',
      redis: { url: 'redis://one', secretName: 'login', tlsSecretName: 'client-tls' },
      policiesConfigMap: 'team',
    };
    const manifests = render(values);
    const variableOf = (kind: string, name: string): string => {
      const variables = at(find(manifests, kind, 'pannier-injected'), 'spec.variables');
      const all = variables as { name: string; expression: string }[];
      return all.find((candidate) => candidate.name === name)?.expression ?? '';
    };
    const expression = variableOf('ValidatingAdmissionPolicy', 'volumeConflicts');
    const hashes = (text: string): string[] =>
      [...text.matchAll(/["']([0-9a-f]{16})["']/g)].map(([, hash]) => `${hash}`);
    const written = hashes(variableOf('MutatingAdmissionPolicy', 'sidecarHash'));
    expect(written).toHaveLength(4);
    expect(hashes(/config-hash'\] in \[[^\]]*\]/.exec(expression)?.[0] ?? '')).toEqual(written);
    expect(expression).toContain("volume.secret.secretName == 'login'");
    expect(expression).toContain("volume.secret.secretName == 'client-tls'");
    expect(expression).toContain("volume.configMap.name == 'team'");
  });

  test('uses v1beta1 up to Kubernetes 1.35 and v1 from 1.36 on', () => {
    const versionOf = (kubeVersion: string): string =>
      find(
        render({ injectionMode: 'mutating-policy' }, ['--kube-version', kubeVersion]),
        'MutatingAdmissionPolicy',
        'pannier-injected',
      ).apiVersion;
    expect(versionOf('1.34.4')).toBe('admissionregistration.k8s.io/v1beta1');
    expect(versionOf('1.35.1')).toBe('admissionregistration.k8s.io/v1beta1');
    expect(versionOf('1.36.0')).toBe('admissionregistration.k8s.io/v1');
  });
});
