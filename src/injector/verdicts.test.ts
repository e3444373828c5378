/**
 * What is decided about pods and namespaces, as far as it is not injection itself.
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
    throw new Error(`cannot read the test's own configuration: ${parsed.problems[0].message}`);
  }
  const metadata = { name: 'x', ...(annotations === undefined ? {} : { annotations }) };
  const object = { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [{ name: 'app', image: 'app:1' }] } };
  return podVerdict(request(object), { config: parsed.config, kubelets: { oldestMinor: 34 } });
}

describe('a pod', () => {
  test('that asks gets a patch', () => {
    expect(pod({ [INJECT]: 'true' }).kind).toBe('patched');
  });

  test('that says nothing is here for its namespace, and gets one too', () => {
    expect(pod().kind).toBe('patched');
  });

  test('that declines is unchanged', () => {
    expect(pod({ [INJECT]: 'false' })).toEqual({ kind: 'unchanged' });
  });

  test('with mistakes is denied with all of them', () => {
    const verdict = pod({ [INJECT]: 'true', 'pannier.dev/log-levl': 'info', 'pannier.dev/grpc-port': 'many' });
    expect(verdict).toMatchObject({ kind: 'denied' });
    expect(verdict).toMatchObject({ message: expect.stringMatching(/log-levl.*grpc-port|grpc-port.*log-levl/s) });
  });
});

describe('a namespace', () => {
  const namespace = (metadata: object): Verdict => namespaceVerdict(request({ kind: 'Namespace', metadata }));

  test('gets its annotation as a label', () => {
    expect(namespace({ name: 'shop', annotations: { [INJECT]: 'true' } })).toEqual({
      kind: 'patched',
      patch: [{ op: 'add', path: '/metadata/labels', value: { [INJECT]: 'true' } }],
    });
    expect(namespace({ name: 'shop', labels: { [INJECT]: 'true' }, annotations: { [INJECT]: 'false' } })).toEqual({
      kind: 'patched',
      patch: [{ op: 'replace', path: '/metadata/labels/pannier.dev~1inject', value: 'false' }],
    });
  });

  test('without the annotation, or with the same label, is unchanged', () => {
    expect(namespace({ name: 'shop' })).toEqual({ kind: 'unchanged' });
    expect(namespace({ labels: { [INJECT]: 'true' }, annotations: { [INJECT]: 'true' } })).toEqual({
      kind: 'unchanged',
    });
  });

  test('with another value is denied with what is accepted', () => {
    expect(namespace({ annotations: { [INJECT]: 'yes' } })).toEqual({
      kind: 'denied',
      message:
        'cannot inject Pannier: annotation pannier.dev/inject of the namespace is "yes", wanted "true" or "false"',
    });
  });

  test('that had a wrong value before is left alone when something else changes', () => {
    const metadata = { annotations: { [INJECT]: 'yes' } };
    const update = { ...request({ metadata }), operation: 'UPDATE' };
    expect(namespaceVerdict({ ...update, oldObject: { metadata } })).toEqual({ kind: 'unchanged' });
    expect(namespaceVerdict({ ...update, oldObject: { metadata: {} } }).kind).toBe('denied');
  });
});
