/**
 * Tests the output and exit codes of `pannier injection status` for pods, and how it finds its configuration, with a fake
 * cluster. test/kubernetes/status.test.ts runs the command on a real cluster.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Answers,
  cluster,
  configMap,
  failing,
  listOf,
  podOf,
  role,
  statusOf,
} from '../../test/support/kubernetes/status-cluster.ts';
import { repositoryRoot } from '../../test/support/repository.ts';
import type { ClusterApi } from '../manifests/status/cluster.ts';
import { STATES } from '../manifests/status/states.ts';
import { injectionCommand } from './injection.ts';
import type { StatusFlags } from './injection-status.ts';

test('exits with 0 if all sidecars are up to date', async () => {
  const pods = [podOf('web', {}, { version: '1.0.0' }), podOf('web', {}, { version: '1.0.0' })];
  const { exitCode, output } = await statusOf(cluster(pods));
  expect(exitCode).toBe(0);
  expect(JSON.parse(output)).toMatchObject([
    { namespace: 'shop', workload: 'deployment/web', state: 'current', pods: 2, stalePods: 0, versions: ['1.0.0'] },
  ]);
});

test('shows the worst state of the pods of each workload', async () => {
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
  const { exitCode, output } = await statusOf(cluster(pods), { output: 'table' });
  expect(exitCode).toBe(1);
  const rows = output.split('\n').map((line) => line.split(/ {2,}/).slice(1, 5).join(' '));
  expect(rows.slice(0, 7)).toEqual([
    'WORKLOAD STATE PODS STALE',
    'deployment/a-current current 1 0',
    'deployment/b-version other-version 1 1',
    'deployment/c-configuration other-configuration 1 1',
    'deployment/d-missing missing 2 1',
    'deployment/e-refused refused 1 1',
    'deployment/stray not-requested 1 1',
  ]);
  expect(output).toContain('shop/deployment/e-refused: unknown annotation pannier.dev/colour; ');
  expect(output).not.toMatch(/f-untouched|g-done/);
});

test('warns and continues if it may list nothing but pods', async () => {
  const forbidden = failing(403, 'it is forbidden');
  const { exitCode, errors } = await statusOf(
    cluster([podOf('web', {})], {
      core: {
        listNamespace: forbidden,
        listNode: forbidden,
        listReplicationControllerForAllNamespaces: forbidden,
        listEventForAllNamespaces: forbidden,
      },
      apps: { listDeploymentForAllNamespaces: forbidden },
    }),
  );
  expect(exitCode).toBe(0);
  expect(errors).toEqual([
    'warning: cannot list the namespaces, so only pods with Pannier annotations are found: it is forbidden',
    'warning: cannot list the nodes, so all kubelets are assumed to support native sidecars: it is forbidden',
    'warning: cannot list deployments, replicationcontrollers, so those without pods are not shown: it is forbidden',
    'warning: cannot list the events, so refused pods are found only if a workload has no pods at all: it is forbidden',
  ]);
});

test('exits with 2 if the pods cannot be read', async () => {
  const api = cluster([], { core: { listPodForAllNamespaces: failing(403, 'pods is forbidden') } });
  const { exitCode, errors } = await statusOf(api, { image: 'pannier:1' });
  expect([exitCode, errors]).toEqual([2, ['cannot read the cluster: pods is forbidden']]);
});

describe('the configuration', () => {
  const release = configMap('platform', 'rl-pannier-injector-config');
  const noRole = failing(404, 'clusterroles "pannier-injection-status" not found');

  /** Cluster that has only the ConfigMap `platform/rl-pannier-injector-config`. */
  function releaseCluster(answers: Answers): ClusterApi {
    return cluster([], {
      ...answers,
      core: {
        readNamespacedConfigMap: async ({ namespace, name }: { namespace: string; name: string }) => {
          if (`${namespace}/${name}` === 'platform/rl-pannier-injector-config') {
            return release;
          }
          return await failing(404, `configmaps "${name}" not found`)();
        },
        listNamespacedConfigMap: async ({ namespace }: { namespace: string }) => ({
          items: namespace === 'platform' ? [release] : [],
          metadata: {},
        }),
        listConfigMapForAllNamespaces: listOf([release]),
        ...answers.core,
      },
    });
  }

  const forbidden = failing(403, 'configmaps is forbidden');
  test.each<[string, Answers, Partial<StatusFlags>]>([
    [
      'by the annotation of the ClusterRole',
      { rbac: { readClusterRole: role('platform/rl-pannier-injector-config') } },
      {},
    ],
    ['by its labels if there is no ClusterRole', { rbac: { readClusterRole: noRole } }, {}],
    ['in the given namespace', { rbac: { readClusterRole: noRole } }, { injectorNamespace: 'platform' }],
    [
      'in the given namespace with the permissions of the ClusterRole alone',
      {
        rbac: { readClusterRole: role('platform/rl-pannier-injector-config') },
        core: { listNamespacedConfigMap: forbidden },
      },
      { injectorNamespace: 'platform' },
    ],
    [
      'by the given name',
      { core: { listConfigMapForAllNamespaces: forbidden } },
      { injectorConfig: 'platform/rl-pannier-injector-config' },
    ],
  ])('is found %s', async (_name, answers, options) => {
    const { exitCode, errors } = await statusOf(releaseCluster(answers), options);
    expect([exitCode, errors]).toEqual([0, []]);
  });

  const both = listOf([release, configMap('other', 'pannier-injector-config')]);
  const nothing = listOf([]);
  test.each<[string, Answers, Partial<StatusFlags>, string]>([
    [
      'several exist',
      { rbac: { readClusterRole: noRole }, core: { listConfigMapForAllNamespaces: both } },
      {},
      "cannot choose the injector's configuration: ConfigMaps platform/rl-pannier-injector-config, other/pannier-injector-config exist; set --injector-config to one of them",
    ],
    [
      'none exists',
      { rbac: { readClusterRole: noRole }, core: { listConfigMapForAllNamespaces: nothing } },
      {},
      "cannot find the injector's configuration: the cluster has no ClusterRole pannier-injection-status and no ConfigMap with the labels app.kubernetes.io/part-of=pannier,app.kubernetes.io/component=injector; install the chart, or set --config to a file (docs/reference/annotations.md#commands)",
    ],
    [
      'it is in another namespace',
      { rbac: { readClusterRole: noRole } },
      { injectorNamespace: 'shop' },
      "cannot find the injector's configuration: namespace shop contains none, but ConfigMap platform/rl-pannier-injector-config exists; set --injector-config, or leave out --injector-namespace",
    ],
    [
      'it may not be read',
      {
        rbac: { readClusterRole: role('platform/rl-pannier-injector-config') },
        core: { readNamespacedConfigMap: forbidden },
      },
      {},
      'cannot read ConfigMap platform/rl-pannier-injector-config: configmaps is forbidden; bind ClusterRole pannier-injection-status to your user, or set --config',
    ],
    [
      'nothing may be listed and the release has another name',
      { rbac: { readClusterRole: failing(403, 'forbidden') }, core: { listConfigMapForAllNamespaces: forbidden } },
      {},
      'cannot read ConfigMap pannier-system/pannier-injector-config: configmaps "pannier-injector-config" not found; set --injector-config or --config',
    ],
    [
      'the name is incomplete',
      {},
      { injectorConfig: 'rl-pannier-injector-config' },
      '--injector-config must be NAMESPACE/NAME, got "rl-pannier-injector-config"',
    ],
    [
      'the ConfigMap lacks its key',
      { core: { readNamespacedConfigMap: async () => ({ data: {} }) } },
      { injectorConfig: 'a/b' },
      'ConfigMap a/b injector.yaml:1:1: the file must be a mapping with sidecar, got nothing',
    ],
  ])('exits with 2 if %s', async (_name, answers, options, message) => {
    const { exitCode, output, errors } = await statusOf(releaseCluster(answers), options);
    expect([exitCode, output, errors]).toEqual([2, '', [message]]);
  });
});

test('the help and the reference page describe every state', () => {
  const status = injectionCommand().commands.find((command) => command.name() === 'status');
  let help = '';
  status?.configureOutput({
    writeOut: (text) => {
      help += text;
    },
  });
  status?.outputHelp();
  const page = readFileSync(join(repositoryRoot, 'docs/reference/annotations.md'), 'utf8');
  for (const { name, meaning, remedy } of STATES) {
    expect(help.replaceAll(/\s+/g, ' ')).toContain(`${name} ${meaning}`);
    expect(page).toContain(`| \`${name}\` | ${meaning} | ${remedy} |`);
  }
});
