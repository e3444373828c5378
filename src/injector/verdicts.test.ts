/**
 * Tests the verdicts on pods and namespaces. Tests in src/injection test the injection itself.
 */
import { parseSidecarConfig } from '../injection/sidecar-config.ts';
import type { AdmissionRequest, Verdict } from './admission-review.ts';
import { namespaceVerdict, podVerdict } from './verdicts.ts';

const INJECT = 'pannier.dev/inject';

function request(object: object): AdmissionRequest {
  return {
    uid: 'u',
    namespace: 'shop',
    name: 'x',
    operation: 'CREATE',
    object: object as AdmissionRequest['object'],
    oldObject: undefined,
  };
}

function pod(annotations?: Record<string, string>): Verdict {
  const parsed = parseSidecarConfig('sidecar:\n  image: pannier:1\n');
  if ('problems' in parsed) {
    throw new Error(`cannot parse the configuration of this test: ${parsed.problems[0].message}`);
  }
  const metadata = { name: 'x', ...(annotations === undefined ? {} : { annotations }) };
  const object = { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [{ name: 'app', image: 'app:1' }] } };
  return podVerdict(request(object), { config: parsed.config, kubelets: { oldestMinor: 34 } });
}

describe('a pod', () => {
  test('that requests injection is patched', () => {
    expect(pod({ [INJECT]: 'true' }).kind).toBe('patched');
  });

  test('without the annotation is patched, because its namespace requests injection', () => {
    expect(pod().kind).toBe('patched');
  });

  test('that opts out is unchanged', () => {
    expect(pod({ [INJECT]: 'false' })).toEqual({ kind: 'unchanged' });
  });

  test('with several invalid annotations is denied with one message that names all of them', () => {
    const verdict = pod({ [INJECT]: 'true', 'pannier.dev/log-levl': 'info', 'pannier.dev/grpc-port': 'many' });
    expect(verdict).toMatchObject({ kind: 'denied' });
    expect(verdict).toMatchObject({ message: expect.stringMatching(/log-levl.*grpc-port|grpc-port.*log-levl/s) });
  });
});

describe('a namespace', () => {
  const namespace = (metadata: object): Verdict => namespaceVerdict(request({ kind: 'Namespace', metadata }));

  test('gets its annotation copied to its label', () => {
    expect(namespace({ name: 'shop', annotations: { [INJECT]: 'true' } })).toEqual({
      kind: 'patched',
      patch: [{ op: 'add', path: '/metadata/labels', value: { [INJECT]: 'true' } }],
    });
    expect(namespace({ name: 'shop', labels: { [INJECT]: 'true' }, annotations: { [INJECT]: 'false' } })).toEqual({
      kind: 'patched',
      patch: [{ op: 'replace', path: '/metadata/labels/pannier.dev~1inject', value: 'false' }],
    });
  });

  test('without the annotation, or with an equal label, is unchanged', () => {
    expect(namespace({ name: 'shop' })).toEqual({ kind: 'unchanged' });
    expect(namespace({ labels: { [INJECT]: 'true' }, annotations: { [INJECT]: 'true' } })).toEqual({
      kind: 'unchanged',
    });
  });

  test('with an invalid value is denied with the accepted values', () => {
    expect(namespace({ annotations: { [INJECT]: 'yes' } })).toEqual({
      kind: 'denied',
      message:
        'cannot inject Pannier: annotation pannier.dev/inject of the namespace is "yes"; set it to "true" or "false"',
    });
  });

  test('that already had an invalid value is unchanged by an update of other fields', () => {
    const metadata = { annotations: { [INJECT]: 'yes' } };
    const update = { ...request({ metadata }), operation: 'UPDATE' };
    expect(namespaceVerdict({ ...update, oldObject: { metadata } })).toEqual({ kind: 'unchanged' });
    expect(namespaceVerdict({ ...update, oldObject: { metadata: {} } }).kind).toBe('denied');
  });
});
