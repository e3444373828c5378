/**
 * Tests the output and exit codes of the injection commands, with a fake file system and a fake cluster.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../../test/support/repository.ts';
import { injectPod } from '../injection/inject-pod.ts';
import type { Pod } from '../injection/pod.ts';
import { defaultSidecarConfig } from '../injection/sidecar-config.ts';
import type { ClusterApi } from '../manifests/status/cluster.ts';
import { runInject } from './inject.ts';
import { runExplain } from './injection-explain.ts';
import { runStatus } from './injection-status.ts';
import { type ManifestIo, processIo, readToEnd } from './manifest-io.ts';
import { runUninject } from './uninject.ts';

class FakeIo implements ManifestIo {
  output = '';
  readonly errors: string[] = [];
  readonly #files: Readonly<Record<string, string>>;

  constructor(files: Readonly<Record<string, string>>) {
    this.#files = files;
  }

  read(path: string): string {
    const text = this.#files[path];
    if (text === undefined) {
      throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
    }
    return text;
  }

  out(text: string): void {
    this.output += text;
  }

  error(line: string): void {
    this.errors.push(line);
  }
}

function caseFile(name: string): string {
  return readFileSync(join(repositoryRoot, 'test/injection/cases', name), 'utf8');
}

const files = {
  '-': caseFile('deployment-plain.yaml'),
  'wrong.yaml': caseFile('wrong-annotations.yaml'),
  'all.yaml': caseFile('several-documents.yaml'),
  'broken.yaml': 'a: [\n',
  'services.yaml': 'kind: Service\n',
  'injector.yaml': 'sidecar: {image: "pannier:7", logLevel: warn}\n',
  'bad-injector.yaml': 'sidecar:\n  image: pannier\n  logLevel: loud\n',
};

describe('inject and uninject', () => {
  test('print the manifests, and what changed on standard error', () => {
    const io = new FakeIo(files);
    expect(runInject({ filename: '-', config: 'injector.yaml' }, io)).toBe(0);
    expect(io.output).toContain('image: pannier:7');
    expect(io.errors).toEqual(['deployment/web: injected']);
    const back = new FakeIo({ '-': io.output });
    expect(runUninject('-', back)).toBe(0);
    expect(back.output).toBe(files['-']);
    expect(back.errors).toEqual(['deployment/web: uninjected']);
  });

  test('print no manifests if a pod is refused', () => {
    const io = new FakeIo(files);
    expect(runInject({ filename: 'wrong.yaml', image: 'pannier:1' }, io)).toBe(1);
    expect(io.output).toBe('');
    expect(io.errors[0]).toMatch(
      /^deployment\/web: unknown annotation pannier.dev\/injekt; did you mean pannier.dev\/inject\?$/,
    );
  });

  test.each([
    ['a missing image', { filename: '-' }, 'neither --config nor --image'],
    ['a bad image', { filename: '-', image: 'pannier' }, '--image must be an image with a tag or a digest'],
    [
      'a bad kubelet',
      { filename: '-', image: 'pannier:1', kubelet: 'old' },
      '--kubelet must be a version such as v1.28.3, got "old"',
    ],
    ['a missing file', { filename: 'none.yaml', image: 'pannier:1' }, 'cannot read none.yaml: ENOENT'],
    ['a broken file', { filename: 'broken.yaml', image: 'pannier:1' }, 'cannot read the file as YAML'],
    [
      'a bad configuration',
      { filename: '-', config: 'bad-injector.yaml' },
      'bad-injector.yaml:3:13: sidecar.logLevel must be one of trace, debug',
    ],
  ])('exit with code 2 for %s', (_name, flags, text) => {
    const io = new FakeIo(files);
    expect(runInject(flags, io)).toBe(2);
    expect(io.output).toBe('');
    expect(io.errors.join('\n')).toContain(text);
  });

  test('refuse a file that is not UTF-8, and keep a byte order mark', () => {
    const directory = mkdtempSync(join(tmpdir(), 'pannier-bytes-'));
    try {
      const file = join(directory, 'latin.yaml');
      writeFileSync(file, Buffer.from('# caf\u00e9\nkind: Pod\n', 'latin1'));
      const io = new FakeIo({});
      expect(
        runUninject(file, { read: processIo.read, error: (line) => io.error(line), out: (text) => io.out(text) }),
      ).toBe(2);
      expect(io.errors).toEqual([`cannot read ${file}: it is not UTF-8; use a readable file`]);
      writeFileSync(file, '\ufeff# caf\u00e9\n');
      expect(processIo.read(file)).toBe('\ufeff# caf\u00e9\n');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test('read a non-blocking pipe to its end, up to the limit for manifests', () => {
    const parts = ['', 'kind: ', '', '', 'Pod\n'];
    const text = readToEnd((into) => {
      const part = parts.shift();
      if (part === '') {
        throw Object.assign(new Error('resource temporarily unavailable'), { code: 'EAGAIN' });
      }
      return part === undefined ? 0 : into.write(part);
    });
    expect(text.toString()).toBe('kind: Pod\n');
    expect(readToEnd((into) => into.length).length).toBeLessThan(65 * 1024 * 1024);
    const broken = (): number => {
      throw Object.assign(new Error('bad descriptor'), { code: 'EBADF' });
    };
    expect(() => readToEnd(broken)).toThrow('bad descriptor');
  });

  test('inject a plain container for an old kubelet, and honor --namespace-inject', () => {
    const io = new FakeIo({ '-': caseFile('pod-without-metadata.yaml') });
    expect(runInject({ filename: '-', image: 'pannier:1', namespaceInject: true, kubelet: 'v1.28.1' }, io)).toBe(0);
    expect(io.output).toContain('wait');
    expect(io.errors).toEqual(['pod/(no name): injected']);
  });
});

describe('explain', () => {
  test('shows for each workload what happens, why, and the source of each value', () => {
    const io = new FakeIo(files);
    expect(runExplain({ filename: 'all.yaml', config: 'injector.yaml' }, io)).toBe(0);
    const lines = io.output.split('\n');
    expect(lines[0]).toBe(
      'shop/deployment/web: gets a native sidecar (init container that keeps running), requested by its namespace',
    );
    expect(lines).toContain('  image                      pannier:7 (configuration)');
    expect(lines).toContain('  grpc-port                  9470 (default)');
    expect(lines).toContain(
      '  quality of service: changes from BestEffort to Burstable, because the sidecar requests resources',
    );
    expect(lines).toContain(
      'pod/bare: no sidecar, neither the pod nor its namespace has pannier.dev/inject set to "true"',
    );
  });

  test('shows refused workloads and values of annotations', () => {
    const io = new FakeIo({ ...files, 'settings.yaml': caseFile('settings.yaml') });
    expect(runExplain({ filename: 'wrong.yaml', image: 'pannier:1' }, io)).toBe(1);
    expect(io.output).toMatch(/^deployment\/web: would be refused\n {2}unknown annotation/);
    expect(runExplain({ filename: 'settings.yaml', image: 'pannier:1' }, io)).toBe(0);
    expect(io.output).toContain('  scope                      checkout (annotation)');
  });

  test('hides Redis URLs, because they may hold a password', () => {
    const env = JSON.stringify({ PANNIER_CACHE_REDIS_URL: 'redis://:word@one', PANNIER_KEY_PREFIX: 'x:' });
    const annotations = { 'pannier.dev/inject': 'true', 'pannier.dev/redis-url': 'redis://:word@one' };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { annotations }, spec: { containers: [{ name: 'app' }] } };
    const given = { ...pod, metadata: { annotations: { ...annotations, 'pannier.dev/env': env } } };
    const config = JSON.stringify({ sidecar: { image: 'pannier:1', env: JSON.parse(env) } });
    const io = new FakeIo({ pod: JSON.stringify(pod), given: JSON.stringify(given), config });
    expect(runExplain({ filename: 'pod', config: 'config' }, io)).toBe(0);
    expect(runExplain({ filename: 'given', image: 'pannier:1' }, io)).toBe(0);
    expect(io.output).not.toContain('word@');
    const shown = '  env                        PANNIER_CACHE_REDIS_URL (not shown), PANNIER_KEY_PREFIX="x:"';
    expect(io.output.split('\n').filter((line) => line.startsWith('  env '))).toEqual([
      `${shown} (configuration)`,
      `${shown} (annotation)`,
    ]);
  });

  test('reports manifests without pods', () => {
    const io = new FakeIo(files);
    expect(runExplain({ filename: 'services.yaml', image: 'pannier:1' }, io)).toBe(0);
    expect(io.output).toBe('these manifests contain no pods\n');
  });
});

const config = defaultSidecarConfig('pannier:1');

function podOf(workload: string, pod: Pod, facts: { image?: string; version?: string } = {}): Pod {
  const hash = '5d4f';
  const base: Pod = {
    ...pod,
    metadata: {
      ...pod.metadata,
      name: `${workload}-${hash}-x`,
      namespace: 'shop',
      labels: { 'pod-template-hash': hash },
      ownerReferences: [{ kind: 'ReplicaSet', name: `${workload}-${hash}`, controller: true }],
    },
    spec: { containers: [{ name: 'app' }] },
  };
  if (facts.version === undefined) {
    return base;
  }
  const injection = injectPod({
    pod: base,
    namespaceLabels: { 'pannier.dev/inject': 'true' },
    namespaceAnnotations: {},
    config: { ...config, image: facts.image ?? config.image },
    kubelets: { oldestMinor: 34 },
    version: facts.version,
  });
  return injection.kind === 'inject' ? injection.pod : base;
}

function cluster(pods: readonly Pod[], overrides: Partial<ClusterApi> = {}): ClusterApi {
  const namespace = { metadata: { name: 'shop', labels: { 'pannier.dev/inject': 'true' } } };
  const api = {
    // The fake API returns two pages.
    listPodForAllNamespaces: async ({ _continue }: { _continue?: string }) =>
      _continue === undefined
        ? { items: pods.slice(0, 1), metadata: { _continue: 'more' } }
        : { items: pods.slice(1), metadata: {} },
    listNamespacedPod: async () => ({ items: pods, metadata: {} }),
    listNamespace: async () => ({ items: [namespace], metadata: {} }),
    readNamespace: async () => namespace,
    listNode: async () => ({ items: [{ status: { nodeInfo: { kubeletVersion: 'v1.34.4' } } }], metadata: {} }),
    readNamespacedConfigMap: async () => ({ data: { 'injector.yaml': 'sidecar: {image: "pannier:1"}\n' } }),
  };
  return { ...api, ...overrides } as unknown as ClusterApi;
}

const flags = { namespace: undefined, injectorNamespace: 'pannier-system', output: 'json', version: '1.0.0' } as const;

describe('status', () => {
  test('exits with 0 if all sidecars are up to date', async () => {
    const io = new FakeIo({});
    const pods = [podOf('web', {}, { version: '1.0.0' }), podOf('web', {}, { version: '1.0.0' })];
    expect(await runStatus(flags, cluster(pods), io)).toBe(0);
    expect(JSON.parse(io.output)).toMatchObject([
      { namespace: 'shop', workload: 'deployment/web', state: 'current', pods: 2, stalePods: 0, versions: ['1.0.0'] },
    ]);
  });

  test('shows the worst state of the pods of each workload', async () => {
    const io = new FakeIo({});
    const no = { metadata: { annotations: { 'pannier.dev/inject': 'false' } } };
    const stray = podOf('stray', {}, { version: '1.0.0' });
    const pods = [
      podOf('a-current', {}, { version: '1.0.0' }),
      podOf('b-version', {}, { version: '0.9.0' }),
      podOf('c-configuration', {}, { version: '1.0.0', image: 'pannier:0' }),
      podOf('d-missing', {}),
      podOf('d-missing', {}, { version: '1.0.0' }),
      podOf('e-refused', { metadata: { annotations: { 'pannier.dev/colour': 'red' } } }),
      podOf('f-untouched', no),
      {
        ...stray,
        metadata: { ...stray.metadata, annotations: { ...stray.metadata?.annotations, 'pannier.dev/inject': 'false' } },
      },
      { ...podOf('g-done', {}), status: { phase: 'Succeeded' } },
    ];
    expect(await runStatus({ ...flags, output: 'table' }, cluster(pods), io)).toBe(1);
    const rows = io.output.split('\n').map((line) => line.split(/ {2,}/).slice(1, 5).join(' '));
    expect(rows.slice(0, 7)).toEqual([
      'WORKLOAD STATE PODS STALE',
      'deployment/a-current current 1 0',
      'deployment/b-version other-version 1 1',
      'deployment/c-configuration other-configuration 1 1',
      'deployment/d-missing missing 2 1',
      'deployment/e-refused refused 1 1',
      'deployment/stray not-requested 1 1',
    ]);
    expect(io.output).toContain('shop/deployment/e-refused: unknown annotation pannier.dev/colour; ');
    expect(io.output).not.toMatch(/f-untouched|g-done/);
  });

  test('warns and continues if it may not list namespaces and nodes', async () => {
    const io = new FakeIo({});
    const forbidden = async (): Promise<never> => {
      throw Object.assign(new Error('HTTP-Code: 403'), { code: 403, body: '{"message":"nodes is forbidden"}' });
    };
    const api = cluster([podOf('web', {})], { listNamespace: forbidden, listNode: forbidden });
    expect(await runStatus(flags, api, io)).toBe(0);
    expect(io.errors).toEqual([
      'warning: cannot list the namespaces, so only pods with Pannier annotations are found: nodes is forbidden',
      'warning: cannot list the nodes, so all kubelets are assumed to support native sidecars: nodes is forbidden',
    ]);
  });

  test('exits with 2 if the configuration or the cluster cannot be read', async () => {
    const io = new FakeIo({});
    const missing = async (): Promise<never> => {
      throw Object.assign(new Error('x'), { code: 404, body: '{"message":"configmaps \\"x\\" not found"}' });
    };
    expect(await runStatus(flags, cluster([], { readNamespacedConfigMap: missing }), io)).toBe(2);
    expect(io.errors).toEqual([
      'cannot read ConfigMap pannier-system/pannier-injector-config: configmaps "x" not found; use --injector-namespace or --config',
    ]);
    expect(
      await runStatus({ ...flags, image: 'pannier:1' }, cluster([], { listPodForAllNamespaces: missing }), io),
    ).toBe(2);
    expect(io.errors[1]).toBe('cannot read the cluster: configmaps "x" not found');
    const empty = async (): Promise<object> => ({ data: {} });
    const api = cluster([], { readNamespacedConfigMap: empty as ClusterApi['readNamespacedConfigMap'] });
    expect(await runStatus(flags, api, io)).toBe(2);
    expect(io.errors[2]).toMatch(
      /^ConfigMap pannier-system\/pannier-injector-config injector.yaml:1:1: the file must be a mapping with sidecar, got nothing$/,
    );
  });
});
