/**
 * Tests the rendered chart for platforms that assign the user of each pod, such as OpenShift, and the values that set
 * the security contexts of the injector.
 */
import { at, find, type Manifest, render, type Values } from '../support/kubernetes/helm.ts';

const NAME = 'pannier-injector';
const OPENSHIFT = { openshift: { enabled: true }, devRedis: { enabled: true } };
const CA = '-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n';
const FILES = { mode: 'files', files: { secretName: 'tls', caBundle: CA } };
const deployment = (values: Values): Manifest => find(render(values), 'Deployment', NAME);

describe('with openshift.enabled', () => {
  test.each([
    ['webhook', 7],
    ['mutating-policy', 4],
  ])('no object of injection mode %s sets an id', (injectionMode, minSecured) => {
    const manifests = render({ ...OPENSHIFT, injectionMode, certificates: FILES });
    // The configuration of the injector contains the ids as null, which omits them.
    const text = JSON.stringify(manifests).replaceAll(/runAs(User|Group): null/g, '');
    expect(text.match(/runAsUser"?:|runAsGroup"?:|fsGroup"?:/g)).toBeNull();
    expect(text.match(/securityContext/g)?.length).toBeGreaterThanOrEqual(minSecured);
    // The pods would otherwise run as root, or not at all.
    expect(text.match(/runAsNonRoot"?: ?true/g)?.length).toBeGreaterThanOrEqual(3);
  });

  test('the same objects have ids without it', () => {
    const text = JSON.stringify(render({ devRedis: { enabled: true } }));
    expect(text.match(/"(runAsUser|runAsGroup|fsGroup)":/g)?.length).toBe(8);
  });

  test('a value of the sidecar or the injector does not bring the ids back', () => {
    const ids = { runAsUser: 7, runAsGroup: 8 };
    const text = JSON.stringify(
      render({
        ...OPENSHIFT,
        sidecar: { securityContext: ids },
        injector: { podSecurityContext: { ...ids, fsGroup: 9 }, securityContext: ids },
      }),
    );
    expect(text).not.toMatch(/"(runAsUser|runAsGroup|fsGroup)":|runAs(User|Group): [0-9]/);
  });
});

describe('the security contexts of the injector', () => {
  test('are merged with their defaults', () => {
    const given = deployment({
      injector: {
        podSecurityContext: { fsGroup: null, supplementalGroups: [7] },
        securityContext: { appArmorProfile: { type: 'RuntimeDefault' } },
      },
    });
    expect(at(given, 'spec.template.spec.securityContext')).toEqual({
      runAsNonRoot: true,
      runAsUser: 65_532,
      runAsGroup: 65_532,
      seccompProfile: { type: 'RuntimeDefault' },
      supplementalGroups: [7],
    });
    expect(at(given, 'spec.template.spec.containers.0.securityContext')).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      appArmorProfile: { type: 'RuntimeDefault' },
    });
  });

  test.each([
    ['with a group of its own', {}, 0o440],
    ['without a group of its own', { injector: { podSecurityContext: { fsGroup: null } } }, 0o444],
    ['without any value', { injector: { podSecurityContext: null } }, 0o444],
    ['on OpenShift', OPENSHIFT, 0o444],
  ])('%s let the injector read the files of its certificate', (_name, values, mode) => {
    const volumes = at(deployment({ ...values, certificates: FILES }), 'spec.template.spec.volumes');
    expect(volumes).toContainEqual({ name: 'certificates', secret: { secretName: 'tls', defaultMode: mode } });
  });
});
