/**
 * Tests `pannier injection status` on a real cluster: a release with another name, a user who has only the permissions of
 * the chart's ClusterRole, and workloads whose pods cannot be created.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  KubeConfig,
  RbacAuthorizationV1Api,
  type V1Deployment,
  type V1PodSpec,
  type V1PodTemplateSpec,
} from '@kubernetes/client-node';
import { parse, stringify } from 'yaml';
import { helmOnCluster, installChart, PREPARE_MS } from '../support/kubernetes/chart.ts';
import { kubeconfigFile, TestCluster } from '../support/kubernetes/cluster.ts';
import { prepareImages, WAITING_CONTAINER } from '../support/kubernetes/images.ts';
import { waitInCluster } from '../support/kubernetes/wait.ts';
import { repositoryRoot } from '../support/repository.ts';

const RELEASE = 'rl';
const STATUS_ROLE = 'pannier-injection-status';
const REQUEST: Readonly<Record<string, string>> = { 'pannier.dev/inject': 'true' };

interface Row {
  readonly namespace: string;
  readonly workload: string;
  readonly state: string;
  readonly problems: readonly string[];
}

interface StatusRun {
  readonly exitCode: number;
  readonly rows: readonly Row[];
  readonly errors: string;
}

let cluster: TestCluster;
let rbac: RbacAuthorizationV1Api;
let namespace: string;
let directory: string;

beforeAll(async () => {
  cluster = new TestCluster();
  directory = mkdtempSync(join(tmpdir(), 'pannier-status-'));
  const config = new KubeConfig();
  config.loadFromFile(kubeconfigFile());
  rbac = config.makeApiClient(RbacAuthorizationV1Api);
  await prepareImages();
  await helmOnCluster(['uninstall', 'pannier', '--ignore-not-found', '--wait', '--timeout', '120s']);
  await installChart(cluster, {}, { release: RELEASE });
  namespace = await cluster.namespace();
}, PREPARE_MS);

afterAll(async () => {
  await helmOnCluster(['uninstall', RELEASE, '--ignore-not-found', '--wait', '--timeout', '120s']);
  await rbac?.deleteClusterRoleBinding({ name: namespace }).catch(() => undefined);
  rmSync(directory, { recursive: true, force: true });
  await cluster?.close();
}, PREPARE_MS);

async function status(args: readonly string[] = [], kubeconfig = kubeconfigFile()): Promise<StatusRun> {
  const command = ['dist/main.mjs', 'injection', 'status', '-o', 'json', ...args];
  return await new Promise((resolve) => {
    const options = { cwd: repositoryRoot, env: { ...process.env, KUBECONFIG: kubeconfig } };
    execFile(process.execPath, command, options, (error, stdout, stderr) => {
      const exitCode = error === null ? 0 : Number(error.code);
      const rows = stdout === '' ? [] : (JSON.parse(stdout) as Row[]);
      resolve({ exitCode, rows, errors: stderr });
    });
  });
}

/** Creates a ServiceAccount in the namespace of the test, and returns the path of its kubeconfig. */
async function kubeconfigOf(name: string): Promise<string> {
  await cluster.core.createNamespacedServiceAccount({ namespace, body: { metadata: { name } } });
  const answer = await cluster.core.createNamespacedServiceAccountToken({
    namespace,
    name,
    body: { spec: { audiences: [] } },
  });
  const config = parse(readFileSync(kubeconfigFile(), 'utf8')) as { users: { user: unknown }[] };
  const users = config.users.map((user) => ({ ...user, user: { token: answer.status?.token } }));
  const file = join(directory, name);
  writeFileSync(file, stringify({ ...config, users }));
  return file;
}

function template(name: string, annotations = REQUEST, spec: Partial<V1PodSpec> = {}): V1PodTemplateSpec {
  return {
    metadata: { labels: { app: name }, annotations },
    spec: { containers: [WAITING_CONTAINER], terminationGracePeriodSeconds: 1, ...spec },
  };
}

function deployment(name: string, replicas = 1, pod = template(name)): V1Deployment {
  return { metadata: { name }, spec: { replicas, selector: { matchLabels: { app: name } }, template: pod } };
}

test('finds the configuration of a release with another name, with the permissions of the ClusterRole only', async () => {
  const user = await kubeconfigOf('reader');
  await rbac.createClusterRoleBinding({
    body: {
      metadata: { name: namespace },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: STATUS_ROLE },
      subjects: [{ kind: 'ServiceAccount', name: 'reader', namespace }],
    },
  });
  await cluster.apps.createNamespacedDeployment({ namespace, body: deployment('healthy') });
  await cluster.waitForPods(namespace, 'app=healthy', 1);
  const all = await waitInCluster('the permissions', async () => {
    const run = await status([], user);
    return run.errors === '' ? run : undefined;
  });
  const found = all.rows.filter((row) => row.namespace === namespace);
  expect(found).toMatchObject([{ workload: 'deployment/healthy', state: 'current' }]);
  expect(await status(['-n', namespace], user)).toMatchObject({ exitCode: 0, errors: '' });
  expect(await status(['-n', namespace, '--injector-namespace', 'pannier-system'])).toMatchObject({ exitCode: 0 });
  const wrong = await status(['--injector-namespace', namespace]);
  expect(wrong.exitCode).toBe(2);
  expect(wrong.errors).toContain('ConfigMap pannier-system/rl-pannier-injector-config exists');
}, 200_000);

test('says what it cannot see without permission to list workloads and events', async () => {
  const user = await kubeconfigOf('pods-only');
  await rbac.createNamespacedRole({
    namespace,
    body: { metadata: { name: 'pods' }, rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }] },
  });
  await rbac.createNamespacedRoleBinding({
    namespace,
    body: {
      metadata: { name: 'pods' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'pods' },
      subjects: [{ kind: 'ServiceAccount', name: 'pods-only', namespace }],
    },
  });
  const config = join(directory, 'injector.yaml');
  const configMap = { namespace: 'pannier-system', name: 'rl-pannier-injector-config' };
  const { data } = await cluster.core.readNamespacedConfigMap(configMap);
  writeFileSync(config, data?.['injector.yaml'] ?? '');
  const run = await waitInCluster('the permission', async () => {
    const done = await status(['-n', namespace, '--config', config], user);
    return done.exitCode === 2 ? undefined : done;
  });
  expect(run.rows).toMatchObject([{ workload: 'deployment/healthy', state: 'current' }]);
  expect(run.errors).toMatch(/cannot list the namespaces, so only pods with Pannier annotations are found: /);
  expect(run.errors).toMatch(/cannot list the nodes, so /);
  expect(run.errors).toMatch(
    /cannot list deployments, replicasets, .*, cronjobs, so those without pods are not shown: /,
  );
  expect(run.errors).toMatch(/cannot list the events, so /);
}, 200_000);

test('lists workloads whose pods cannot be created, and no idle workloads', async () => {
  const full = await cluster.namespace();
  await cluster.core.createNamespacedResourceQuota({
    namespace: full,
    body: { metadata: { name: 'none' }, spec: { hard: { pods: '0' } } },
  });
  // The quota controller must have recorded the quota before a pod is counted.
  await waitInCluster('the quota', async () => {
    const quota = await cluster.core.readNamespacedResourceQuota({ namespace: full, name: 'none' });
    return quota.status?.hard?.pods === '0';
  });
  const limited = await cluster.namespace();
  await cluster.core.createNamespacedLimitRange({
    namespace: limited,
    body: { metadata: { name: 'small' }, spec: { limits: [{ type: 'Container', max: { memory: '64Mi' } }] } },
  });
  const jobTemplate = { spec: { template: template('job', REQUEST, { restartPolicy: 'Never' }) } };
  const wrong = template('wrong', { ...REQUEST, 'pannier.dev/colour': 'red' });
  const selector = { matchLabels: { app: 'set' } };
  await Promise.all([
    cluster.apps.createNamespacedDeployment({ namespace: full, body: deployment('quota', 2) }),
    cluster.apps.createNamespacedDeployment({ namespace: full, body: deployment('idle', 0) }),
    cluster.apps.createNamespacedDeployment({ namespace: full, body: deployment('other', 1, template('other', {})) }),
    cluster.apps.createNamespacedStatefulSet({
      namespace: full,
      body: { metadata: { name: 'set' }, spec: { selector, serviceName: 'set', template: template('set') } },
    }),
    cluster.apps.createNamespacedDaemonSet({
      namespace: full,
      body: {
        metadata: { name: 'daemon' },
        spec: { selector: { matchLabels: { app: 'daemon' } }, template: template('daemon') },
      },
    }),
    cluster.batch.createNamespacedJob({ namespace: full, body: { metadata: { name: 'job' }, ...jobTemplate } }),
    cluster.batch.createNamespacedJob({
      namespace: full,
      body: { metadata: { name: 'suspended' }, spec: { ...jobTemplate.spec, suspend: true } },
    }),
    cluster.batch.createNamespacedCronJob({
      namespace: full,
      body: { metadata: { name: 'paused' }, spec: { schedule: '* * * * *', suspend: true, jobTemplate } },
    }),
    cluster.apps.createNamespacedDeployment({ namespace: limited, body: deployment('too-large') }),
    cluster.apps.createNamespacedDeployment({ namespace: limited, body: deployment('wrong', 1, wrong) }),
  ]);
  const refused = ['daemonset/daemon', 'deployment/quota', 'job/job', 'statefulset/set'];
  const run = await waitInCluster('the events', async () => {
    const done = await status(['-n', full]);
    return done.rows.every(({ state }) => state === 'refused') && done.rows.length >= refused.length ? done : undefined;
  });
  expect(run.exitCode).toBe(1);
  expect(run.rows.map(({ workload, state }) => `${workload} ${state}`)).toEqual(
    refused.map((name) => `${name} refused`),
  );
  const quota = run.rows.find(({ workload }) => workload === 'deployment/quota');
  expect(quota?.problems[0]).toMatch(/^0 of 2 pods exist: Error creating: .* is forbidden: exceeded quota: none, /);
  const other = await waitInCluster('the event of the limit range', async () => {
    const done = await status(['-n', limited]);
    return done.rows.every(({ state }) => state === 'refused') && done.rows.length === 2 ? done : undefined;
  });
  expect(other.rows.map(({ workload }) => workload)).toEqual(['deployment/too-large', 'deployment/wrong']);
  expect(other.rows[0]?.problems[0]).toContain('maximum memory usage per Container is 64Mi');
  expect(other.rows[1]?.problems[0]).toContain('unknown annotation pannier.dev/colour');
}, 300_000);
