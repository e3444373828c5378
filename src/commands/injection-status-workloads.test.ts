/**
 * Tests how `pannier injection status` finds workloads whose pods cannot be created, with a fake cluster.
 */
import {
  type Answers,
  cluster,
  failing,
  listOf,
  podOf,
  statusOf,
} from '../../test/support/kubernetes/status-cluster.ts';
import type { Pod } from '../injection/pod.ts';

const NOW = new Date('2026-01-01T12:00:00Z');

describe('workloads without pods', () => {
  const REFUSAL = 'Error creating: pods "web-5d4f-" is forbidden: exceeded quota: cpu';

  const template = (annotations: Record<string, string> = {}): object => ({
    metadata: { annotations },
    spec: { containers: [{ name: 'app' }] },
  });
  const metadata = (name: string): object => ({ namespace: 'shop', name, uid: `${name}-uid` });
  const event = (uid: string, secondsAgo: number, message = REFUSAL): object => ({
    metadata: {},
    involvedObject: { uid },
    lastTimestamp: new Date(NOW.getTime() - secondsAgo * 1_000),
    message,
  });
  const deployment = (name: string, replicas: number, status: object = {}, pod = template()): object => ({
    metadata: metadata(name),
    spec: { replicas, template: pod },
    status,
  });
  const replicaSet = (owner: string, replicas: number, pods: number): object => ({
    metadata: {
      ...metadata(`${owner}-5d4f`),
      uid: `${owner}-rs`,
      ownerReferences: [{ kind: 'Deployment', name: owner, uid: `${owner}-uid`, controller: true }],
    },
    spec: { replicas, template: template() },
    status: { replicas: pods },
  });

  async function rowsOf(answers: Answers, pods: readonly Pod[] = []): Promise<{ rows: unknown[]; exitCode: number }> {
    const { exitCode, output, errors } = await statusOf(cluster(pods, answers));
    expect(errors).toEqual([]);
    const statuses = JSON.parse(output) as { workload: string; state: string; problems: string[] }[];
    return { exitCode, rows: statuses.map(({ workload, state, problems }) => [workload, state, ...problems]) };
  }

  test('are refused with the reason of the latest event of their ReplicaSet', async () => {
    const { exitCode, rows } = await rowsOf({
      apps: {
        listDeploymentForAllNamespaces: listOf([deployment('web', 3)]),
        listReplicaSetForAllNamespaces: listOf([replicaSet('web', 3, 0)]),
      },
      core: { listEventForAllNamespaces: listOf([event('web-rs', 5), event('web-rs', 90, 'an older reason')]) },
    });
    expect(exitCode).toBe(1);
    expect(rows).toEqual([['deployment/web', 'refused', `0 of 3 pods exist: ${REFUSAL}`]]);
  });

  test('are refused if only the pods of a rollout cannot be created', async () => {
    const old = { ...replicaSet('web', 3, 3), metadata: { ...metadata('web-old'), uid: 'old-rs' } };
    const { rows } = await rowsOf(
      {
        apps: {
          listDeploymentForAllNamespaces: listOf([deployment('web', 3, { replicas: 3 })]),
          listReplicaSetForAllNamespaces: listOf([old, replicaSet('web', 1, 0)]),
        },
        core: { listEventForAllNamespaces: listOf([event('web-rs', 5)]) },
      },
      [podOf('web', {}, { version: '1.0.0' })],
    );
    expect(rows).toEqual([['deployment/web', 'refused', `0 of 1 pods exist: ${REFUSAL}`]]);
  });

  test('are found for every kind that creates pods', async () => {
    const spec = { replicas: 2, template: template() };
    const job = { parallelism: 2, completions: 5, template: template() };
    const uids = ['set', 'daemon', 'bare', 'controller', 'job'];
    const { rows } = await rowsOf({
      apps: {
        listStatefulSetForAllNamespaces: listOf([{ metadata: metadata('set'), spec, status: { replicas: 1 } }]),
        listDaemonSetForAllNamespaces: listOf([
          {
            metadata: metadata('daemon'),
            spec,
            status: { desiredNumberScheduled: 2, currentNumberScheduled: 1 },
          },
        ]),
        listReplicaSetForAllNamespaces: listOf([{ metadata: metadata('bare'), spec, status: { replicas: 1 } }]),
      },
      batch: {
        listJobForAllNamespaces: listOf([
          { metadata: metadata('job'), spec: job, status: { active: 1, succeeded: 1 } },
        ]),
      },
      core: {
        listReplicationControllerForAllNamespaces: listOf([
          { metadata: metadata('controller'), spec, status: { replicas: 1 } },
        ]),
        listEventForAllNamespaces: listOf(uids.map((name) => event(`${name}-uid`, 5))),
      },
    });
    const problem = `1 of 2 pods exist: ${REFUSAL}`;
    expect(rows).toEqual([
      ['daemonset/daemon', 'refused', problem],
      ['job/job', 'refused', problem],
      ['replicaset/bare', 'refused', problem],
      ['replicationcontroller/controller', 'refused', problem],
      ['statefulset/set', 'refused', problem],
    ]);
  });

  test('are refused if the annotations of their template have errors', async () => {
    const wrong = template({ 'pannier.dev/colour': 'red' });
    const { exitCode, rows } = await rowsOf({
      apps: { listDeploymentForAllNamespaces: listOf([deployment('web', 1, { replicas: 1 }, wrong)]) },
      batch: {
        listCronJobForAllNamespaces: listOf([
          { metadata: metadata('nightly'), spec: { jobTemplate: { spec: { template: wrong } } } },
          { metadata: metadata('paused'), spec: { suspend: true, jobTemplate: { spec: { template: wrong } } } },
        ]),
      },
    });
    expect(exitCode).toBe(1);
    expect(rows).toMatchObject([
      ['cronjob/nightly', 'refused', expect.stringContaining('unknown annotation pannier.dev/colour')],
      ['deployment/web', 'refused', expect.stringContaining('unknown annotation pannier.dev/colour')],
    ]);
  });

  test('have state no-pods if no event says why', async () => {
    const { exitCode, rows } = await rowsOf({
      apps: { listDeploymentForAllNamespaces: listOf([deployment('web', 3)]) },
    });
    expect(exitCode).toBe(1);
    const problem = '0 of 3 pods exist, and no event says why; run kubectl describe deployment web -n shop';
    expect(rows).toEqual([['deployment/web', 'no-pods', problem]]);
  });

  test('have state no-pods without a statement about events that cannot be read', async () => {
    const { output } = await statusOf(
      cluster([], {
        apps: { listDeploymentForAllNamespaces: listOf([deployment('web', 3)]) },
        core: { listEventForAllNamespaces: failing(403, 'events is forbidden') },
      }),
    );
    expect(JSON.parse(output)).toMatchObject([
      { state: 'no-pods', problems: ['0 of 3 pods exist; run kubectl describe deployment web -n shop'] },
    ]);
  });

  test('are not reported if they expect no pods, do not request injection or are rolling out', async () => {
    const ended = { conditions: [{ type: 'Complete', status: 'True' }] };
    const job = { template: template() };
    const { exitCode, rows } = await rowsOf({
      apps: {
        listDeploymentForAllNamespaces: listOf([
          deployment('scaled-to-zero', 0),
          deployment('elsewhere', 3, {}, template({ 'pannier.dev/inject': 'false' })),
          deployment('rolling-out', 3, { replicas: 1 }),
          { ...deployment('paused', 3), spec: { replicas: 3, paused: true, template: template() } },
          { ...deployment('deleted', 3), metadata: { ...metadata('deleted'), deletionTimestamp: NOW } },
        ]),
        listReplicaSetForAllNamespaces: listOf([replicaSet('scaled-to-zero', 0, 0), replicaSet('rolling-out', 3, 1)]),
      },
      batch: {
        listJobForAllNamespaces: listOf([
          { metadata: metadata('suspended'), spec: { ...job, suspend: true } },
          { metadata: metadata('finished'), spec: job, status: ended },
          { metadata: metadata('waits-to-retry'), spec: job, status: { failed: 1 } },
          {
            metadata: metadata('last-pod-runs'),
            spec: { ...job, completions: 3, parallelism: 3 },
            status: { active: 1, succeeded: 2 },
          },
        ]),
        listCronJobForAllNamespaces: listOf([{ metadata: metadata('nightly'), spec: { jobTemplate: { spec: job } } }]),
      },
      core: {
        listEventForAllNamespaces: listOf([
          event('scaled-to-zero-rs', 5),
          event('suspended-uid', 5),
          event('finished-uid', 5),
        ]),
      },
    });
    expect([exitCode, rows]).toEqual([0, []]);
  });

  test('ignore events from before the newest pod', async () => {
    const pod = podOf('web', {}, { version: '1.0.0' });
    const created = { ...pod, metadata: { ...pod.metadata, creationTimestamp: NOW } };
    const rolling = {
      apps: {
        listDeploymentForAllNamespaces: listOf([deployment('web', 2, { replicas: 1 })]),
        listReplicaSetForAllNamespaces: listOf([replicaSet('web', 2, 1)]),
      },
    };
    const before = await rowsOf({ ...rolling, core: { listEventForAllNamespaces: listOf([event('web-rs', 1)]) } }, [
      created,
    ]);
    expect(before).toEqual({ exitCode: 0, rows: [['deployment/web', 'current']] });
    const after = await rowsOf({ ...rolling, core: { listEventForAllNamespaces: listOf([event('web-rs', 0)]) } }, [
      created,
    ]);
    expect(after).toEqual({ exitCode: 1, rows: [['deployment/web', 'refused', `1 of 2 pods exist: ${REFUSAL}`]] });
  });
});
