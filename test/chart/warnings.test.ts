/**
 * Tests the ValidatingAdmissionPolicy that warns about workloads. test/kubernetes/warnings.test.ts evaluates its
 * expressions on a real API server.
 */
import { ANNOTATIONS, STATUS_ANNOTATIONS } from '../../src/injection/annotations.ts';
import { at, find, type Manifest, render, type Values } from '../support/kubernetes/helm.ts';

const NAME = 'pannier-workloads';

function policyOf(values: Values = {}): Manifest {
  return find(render(values), 'ValidatingAdmissionPolicy', NAME);
}

interface Validation {
  readonly expression: string;
  readonly message?: string;
  readonly messageExpression?: string;
}

function validationsOf(values: Values = {}): readonly Validation[] {
  return at(policyOf(values), 'spec.validations') as Validation[];
}

describe('the policy of the warnings', () => {
  test('warns and never rejects, whatever the actions of the other policies are', () => {
    for (const validationActions of [['Deny'], ['Audit']]) {
      const manifests = render({ admissionPolicy: { validationActions } });
      expect(at(find(manifests, 'ValidatingAdmissionPolicyBinding', NAME), 'spec')).toEqual({
        policyName: NAME,
        validationActions: ['Warn'],
      });
      expect(at(find(manifests, 'ValidatingAdmissionPolicy', NAME), 'spec.failurePolicy')).toBe('Ignore');
    }
  });

  test('matches the kinds whose pod templates kubectl applies, and no status or scale', () => {
    expect(at(policyOf(), 'spec.matchConstraints.resourceRules')).toMatchObject([
      { apiGroups: ['apps'], resources: ['deployments', 'statefulsets', 'daemonsets'] },
      { apiGroups: ['batch'], resources: ['jobs', 'cronjobs'] },
    ]);
  });

  test('knows every annotation of the table and those that injection sets', () => {
    const variables = at(policyOf(), 'spec.variables') as { name: string; expression: string }[];
    const expression = variables.find(({ name }) => name === 'unknown')?.expression ?? '';
    const known = [...ANNOTATIONS.map(({ name }) => `pannier.dev/${name}`), ...Object.values(STATUS_ANNOTATIONS)];
    expect([...expression.matchAll(/'([^']+)'/g)].map(([, key]) => key)).toEqual(known);
  });

  test('has one validation for the value of each annotation in injection mode webhook', () => {
    for (const { name, kind } of ANNOTATIONS) {
      const own = validationsOf().filter(({ expression }) => expression.includes(`!('pannier.dev/${name}' in `));
      expect({ name, count: own.length }).toEqual({ name, count: 1 });
      expect(own[0]?.messageExpression).toContain(JSON.stringify(`; set it to ${kind.accepted}`));
    }
  });

  test('has a message for each validation that names a remedy and no value of the other injection mode', () => {
    for (const injectionMode of ['webhook', 'mutating-policy']) {
      const validations = validationsOf({ injectionMode });
      expect(validations.length).toBeGreaterThan(9);
      for (const { message, messageExpression } of validations) {
        expect(message ?? messageExpression).toMatch(/^"?cannot inject Pannier: .+; (remove|rename|set|use) /);
      }
      const isWebhook = injectionMode === 'webhook';
      expect(JSON.stringify(validations).includes('install the chart with injection mode webhook')).toBe(!isWebhook);
    }
  });

  test('uses the values of the chart for the socket, the native sidecar and the excluded namespaces', () => {
    const text = JSON.stringify(
      policyOf({ sidecar: { socket: false, native: 'false' }, webhook: { excludedNamespaces: ['legacy'] } }),
    );
    expect(text).toContain("'pannier.dev/socket'].orValue('false')");
    expect(text).toContain("'pannier.dev/native'].orValue('false')");
    expect(text).toContain("namespaceObject.metadata.name in ['kube-system','pannier-system','legacy']");
  });

  test('is absent without workloadWarnings and without the other policies', () => {
    for (const admissionPolicy of [{ workloadWarnings: false }, { enabled: false }]) {
      expect(JSON.stringify(render({ admissionPolicy }))).not.toContain(NAME);
    }
  });
});
