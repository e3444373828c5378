/**
 * Tests the security context of the sidecar: valid values reach the container, and every value that Pod Security
 * `restricted` forbids is an error.
 */
import { injectPod } from './inject-pod.ts';
import type { Pod } from './pod.ts';
import { containerSecurityContext, DEFAULT_SECURITY_CONTEXT } from './security-context.ts';
import { defaultSidecarConfig, parseSidecarConfig } from './sidecar-config.ts';

function problems(securityContext: string): string[] {
  const result = parseSidecarConfig(`sidecar:\n  image: pannier:1\n  securityContext: ${securityContext}\n`);
  return 'problems' in result ? result.problems.map((problem) => problem.message) : [];
}

const PATH = 'sidecar.securityContext';
const PROFILE = 'a relative path of at most 256 characters, such as profiles/pannier.json, because type is Localhost';
const ID = 'to 2147483647, or null to omit it';

test.each([
  ['{runAsUser: 0}', `${PATH}.runAsUser must be an integer from 1 ${ID}, got 0`],
  ['{runAsUser: "1"}', `${PATH}.runAsUser must be an integer from 1 ${ID}, got "1"`],
  ['{runAsGroup: -1}', `${PATH}.runAsGroup must be an integer from 0 ${ID}, got -1`],
  ['{runAsGroup: 2147483648}', `${PATH}.runAsGroup must be an integer from 0 ${ID}, got 2147483648`],
  ['{privileged: true}', `${PATH}.privileged must be unset, because every sidecar has privileged false`],
  [
    '{capabilities: {add: [NET_ADMIN]}}',
    `${PATH}.capabilities must be unset, because every sidecar has capabilities {"drop":["ALL"]}`,
  ],
  ['{runAsNonRoot: false}', `${PATH}.runAsNonRoot must be unset, because every sidecar has runAsNonRoot true`],
  [
    '{seccompProfile: {type: Unconfined}}',
    `${PATH}.seccompProfile.type must be one of RuntimeDefault, Localhost, got "Unconfined"`,
  ],
  ['{seccompProfile: {}}', `${PATH}.seccompProfile.type must be one of RuntimeDefault, Localhost, got nothing`],
  [
    '{appArmorProfile: {type: RuntimeDefault, localhostProfile: a}}',
    `${PATH}.appArmorProfile.localhostProfile must be unset unless type is Localhost`,
  ],
  ['{appArmorProfile: {type: Localhost}}', `${PATH}.appArmorProfile.localhostProfile must be ${PROFILE}, got nothing`],
  [
    '{seccompProfile: {type: Localhost, localhostProfile: ../a}}',
    `${PATH}.seccompProfile.localhostProfile must be ${PROFILE}, got "../a"`,
  ],
  [
    '{seLinuxOptions: {type: spc_t}}',
    `${PATH}.seLinuxOptions.type must be one of container_t, container_init_t, container_kvm_t, container_engine_t, got "spc_t"`,
  ],
  [
    '{seLinuxOptions: {user: system_u}}',
    `${PATH}.seLinuxOptions.user must be unset, because Pod Security restricted does not allow it`,
  ],
  ['{runAsUsr: 1}', `unknown key "runAsUsr" in ${PATH}; did you mean "runAsUser"?`],
])('refuses %s', (text, problem) => {
  expect(problems(text)).toEqual([problem]);
});

test('omits ids that are null, and keeps the default of missing ones', () => {
  const parsed = parseSidecarConfig('sidecar: {image: "pannier:1", securityContext: {runAsUser: null}}');
  expect('config' in parsed && containerSecurityContext(parsed.config.securityContext)).toEqual({
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    privileged: false,
    readOnlyRootFilesystem: true,
    runAsGroup: 65_532,
    runAsNonRoot: true,
    seccompProfile: { type: 'RuntimeDefault' },
  });
});

describe('a pod that runs as root', () => {
  const pod: Pod = {
    metadata: { annotations: { 'pannier.dev/inject': 'true' } },
    spec: { securityContext: { runAsUser: 0 }, containers: [{ name: 'app' }] },
  };
  const inject = (runAsUser: number | undefined): string => {
    const injection = injectPod({
      pod,
      namespaceLabels: {},
      namespaceAnnotations: {},
      config: {
        ...defaultSidecarConfig('pannier:1'),
        securityContext: { ...DEFAULT_SECURITY_CONTEXT, runAsUser },
      },
      kubelets: { oldestMinor: 34 },
    });
    return injection.kind === 'refuse' ? injection.problems.join() : injection.kind;
  };

  test('is refused with the reason if the sidecar has no user of its own', () => {
    expect(inject(undefined)).toBe(
      'cannot inject the pod: spec.securityContext.runAsUser is 0 and the sidecar, which never runs as root, has no runAsUser of its own; set runAsUser in the containers instead of the pod, or set sidecar.securityContext.runAsUser in the configuration',
    );
  });

  test('gets a sidecar that has a user of its own', () => {
    expect(inject(65_532)).toBe('inject');
  });
});
