/**
 * Tests the injector's configuration: its defaults, all of its keys, and the lines of its errors.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../../test/support/repository.ts';
import { defaultSidecarConfig, parseSidecarConfig, type SidecarConfig } from './sidecar-config.ts';

function parse(sidecar: string): SidecarConfig {
  const result = parseSidecarConfig(`sidecar:\n  image: pannier:1\n${sidecar}`);
  if ('problems' in result) {
    throw new Error(JSON.stringify(result.problems));
  }
  return result.config;
}

function problems(text: string): string[] {
  const result = parseSidecarConfig(text);
  return 'problems' in result ? result.problems.map((problem) => `${problem.line}: ${problem.message}`) : [];
}

describe('a configuration', () => {
  test('requires only an image', () => {
    expect(parse('')).toEqual(defaultSidecarConfig('pannier:1'));
  });

  test('may set all keys', () => {
    const config = parse(`  imagePullPolicy: Never
  imagePullSecrets: [regcred, team.registry]
  native: true
  resources:
    requests: {cpu: 1, memory: 128Mi, ephemeral-storage: 64Mi}
    limits: {cpu: "2", memory: 256Mi, ephemeral-storage: 1.5Ti}
  logLevel: warn
  redis: {urls: ["redis://a:6379", "redis://b:6379"], secretName: redis-login, tlsSecretName: client-tls}
  policiesConfigMap: ""
  socket: false
  securityContext:
    runAsUser: 1000650000
    runAsGroup: null
    seccompProfile: {type: Localhost, localhostProfile: profiles/pannier.json}
    appArmorProfile: {type: RuntimeDefault}
    seLinuxOptions: {type: container_t, level: "s0:c1,c2"}
  after: [istio-proxy]
  env: {PANNIER_NEAR_CACHE_MAX_ENTRIES: 10, PANNIER_KEY_PREFIX: ""}
`);
    expect(config).toEqual({
      image: 'pannier:1',
      imagePullPolicy: 'Never',
      imagePullSecrets: ['regcred', 'team.registry'],
      native: 'true',
      resources: {
        requests: { cpu: '1', memory: '128Mi', 'ephemeral-storage': '64Mi' },
        limits: { cpu: '2', memory: '256Mi', 'ephemeral-storage': '1.5Ti' },
      },
      logLevel: 'warn',
      redis: {
        urls: ['redis://a:6379', 'redis://b:6379'],
        secretName: 'redis-login',
        tlsSecretName: 'client-tls',
      },
      policiesConfigMap: undefined,
      socket: false,
      securityContext: {
        runAsUser: 1_000_650_000,
        runAsGroup: undefined,
        seccompProfile: { type: 'Localhost', localhostProfile: 'profiles/pannier.json' },
        appArmorProfile: { type: 'RuntimeDefault' },
        seLinuxOptions: { type: 'container_t', level: 's0:c1,c2' },
      },
      after: ['istio-proxy'],
      env: { PANNIER_NEAR_CACHE_MAX_ENTRIES: '10', PANNIER_KEY_PREFIX: '' },
    });
  });

  test('in the docs equals the defaults', () => {
    const page = readFileSync(join(repositoryRoot, 'docs/reference/annotations.md'), 'utf8');
    const example = /```yaml\n(sidecar:[\s\S]*?)```/.exec(page)?.[1] ?? '';
    expect(parseSidecarConfig(example)).toEqual({ config: defaultSidecarConfig('registry.example/pannier:0.1.0') });
  });
});

describe('an invalid configuration', () => {
  test('reports all errors at once, each with its line', () => {
    const text = `sidecar:
  imag: pannier:1
  imagePullSecrets: [Reg_Cred, a, a]
  native: sometimes
  resources:
    limits: {memory: 32Mi, disk: 1Gi}
  redis:
    urls: ["redis://u:hunter2@a/4"]
    secretName: Not A Name
    tlsSecretName: Nor This
  env:
    PANNIER_SCOPE: x
    PANNIER_NEAR_CACHE_MAX_ENTRIE: 4
    LANG: C
  socket: 1
`;
    const found = problems(text);
    expect(found.join('\n')).not.toContain('hunter2');
    const secretName = "the name of a Secret in the pod's namespace (lower-case letters, digits, - and .)";
    const accepted = [
      '2: unknown key "imag" in sidecar; did you mean "image"?',
      '2: sidecar.image must be an image with a tag or a digest, NAME:TAG or NAME@sha256:DIGEST, got nothing',
      `3: sidecar.imagePullSecrets[0] must be ${secretName}, got "Reg_Cred"`,
      '3: sidecar.imagePullSecrets[2] must be different from the other names, got "a" again',
      '4: sidecar.native must be one of auto, true, false, got "sometimes"',
      '6: unknown key "disk" in sidecar.resources.limits; must be one of cpu, memory, ephemeral-storage',
      '6: sidecar.resources.limits.memory must be a memory quantity from 96Mi to 64Gi, such as 192Mi, got "32Mi"',
      '8: sidecar.redis.urls[0]: the database number must be 0 or absent (a Cluster has only database 0), got 4',
      `9: sidecar.redis.secretName must be ${secretName}, got "Not A Name"`,
      `10: sidecar.redis.tlsSecretName must be ${secretName}, got "Nor This"`,
      '12: sidecar.env: PANNIER_SCOPE must not be set in env: the injector sets it; use annotation "scope"',
      '12: sidecar.env: unknown setting LANG; see docs/reference/settings.md',
      '12: sidecar.env: unknown setting PANNIER_NEAR_CACHE_MAX_ENTRIE; did you mean PANNIER_NEAR_CACHE_MAX_ENTRIES?',
      '15: sidecar.socket must be true or false, got 1',
    ];
    expect([...found].sort()).toEqual([...accepted].sort());
  });

  test.each([
    ['', 'the file must be a mapping with sidecar, got nothing'],
    ['sidecar:\n', 'got an empty value'],
    ['[]', 'the file must be a mapping with sidecar, got an empty list'],
    ['sidecar: {image: a:1}\nother: 1\n', 'unknown key "other"'],
    ['a: [', 'as YAML'],
  ])('reports the error of %j', (text, what) => {
    expect(problems(text).join('\n')).toContain(what);
  });

  test('reports a request above its limit and URLs of two schemes', () => {
    const text = `sidecar:
  image: pannier:1
  resources: {requests: {memory: 1Gi, ephemeral-storage: 2Gi}, limits: {memory: 0.5Gi, ephemeral-storage: 1Gi}}
  redis: {urls: ["redis://a", "rediss://b"]}
`;
    expect(problems(text)).toEqual([
      '3: sidecar.resources.requests.memory must be at most the limit (0.5Gi), got 1Gi',
      '3: sidecar.resources.requests.ephemeral-storage must be at most the limit (1Gi), got 2Gi',
      '4: sidecar.redis.urls: the scheme must be the same in all URLs, redis:// or rediss://',
    ]);
  });
});
