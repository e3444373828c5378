/**
 * Tests which pods of the chart have pull secrets.
 */
import { at, find, render } from '../support/kubernetes/helm.ts';

const VALUES = {
  injectionMode: 'mutating-policy',
  imagePullSecrets: [{ name: 'injector' }],
  sidecar: { imagePullSecrets: [{ name: 'sidecar' }] },
};

test('the pod of helm test that has no sidecar has the pull secrets of the sidecar', () => {
  const pod = find(render(VALUES), 'Pod', 'pannier-test-settling');
  expect(at(pod, 'spec.imagePullSecrets')).toEqual([{ name: 'sidecar' }]);
  expect(at(find(render(VALUES), 'Pod', 'pannier-test'), 'spec.imagePullSecrets')).toBeUndefined();
});

test('the injector has its own pull secrets only', () => {
  const injector = find(render({ ...VALUES, injectionMode: 'webhook' }), 'Deployment', 'pannier-injector');
  expect(at(injector, 'spec.template.spec.imagePullSecrets')).toEqual([{ name: 'injector' }]);
});
