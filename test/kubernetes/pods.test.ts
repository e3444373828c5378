/**
 * Tests many kinds of pods on a real cluster. Pods that request injection receive a suitable sidecar, and other pods
 * stay unchanged.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { V1Pod } from '@kubernetes/client-node';
import { parseAllDocuments } from 'yaml';
import { ANNOTATIONS, type AnnotationRow } from '../../src/injection/annotations.ts';
import { injectPod } from '../../src/injection/inject-pod.ts';
import type { Pod } from '../../src/injection/pod.ts';
import { parseSidecarConfig } from '../../src/injection/sidecar-config.ts';
import { canonicalText } from '../../src/lib/json.ts';
import { workloadsIn } from '../../src/manifests/workloads.ts';
import {
  INJECTOR,
  installedCluster,
  PREPARE_MS,
  RELEASE_NAMESPACE,
  requestingPod,
  reviewCounts,
  sumOf,
} from '../support/kubernetes/chart.ts';
import { isReady, refusalText, sidecarOf, type TestCluster } from '../support/kubernetes/cluster.ts';
import { IMAGES } from '../support/kubernetes/images.ts';
import { waitInCluster } from '../support/kubernetes/wait.ts';
import { repositoryRoot } from '../support/repository.ts';

/** Returns a script that calls the sidecar once, runs `onAnswer` on success, and exits with code 1 on failure. */
function callSidecar(onAnswer: string): string {
  return `
const [host, port] = process.env.PANNIER_ADDRESS.split(':');
const client = require('node:http2').connect('http://' + host + ':' + port);
const fail = (text) => { console.error(text); process.exit(1); };
client.on('error', (error) => fail(error.message));
const tooLate = setTimeout(() => fail('no answer'), 10000);
const path = '/grpc.health.v1.Health/Check';
const call = client.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' });
call.on('trailers', (trailers) => {
  if (trailers['grpc-status'] !== '0') { fail('status ' + trailers['grpc-status']); }
  clearTimeout(tooLate);
  ${onAnswer}
});
call.end(Buffer.alloc(5));
`;
}

const CALL_SIDECAR = callSidecar('process.exit(0);');

/**
 * Script that kills the sidecar. The script identifies the process by its command line, and must not itself contain
 * that command line.
 */
const KILL_SIDECAR = `
const fs = require('node:fs');
const isSidecar = (id) => {
  try {
    return fs.readFileSync('/proc/' + id + '/cmdline', 'utf8').includes(['main', 'mjs'].join('.'));
  } catch {
    return false;
  }
};
const found = fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name) && isSidecar(name));
if (found.length !== 1) {
  throw new Error('found ' + found.length + ' sidecars');
}
process.kill(Number(found[0]), 'SIGKILL');
`;

let cluster: TestCluster;
let namespace: string;

beforeAll(async () => {
  ({ cluster, namespace } = await installedCluster());
}, PREPARE_MS);

afterAll(async () => {
  await cluster?.close();
});

function plainPod(name: string): V1Pod {
  return { metadata: { name }, spec: requestingPod(name).spec };
}

describe('a pod that does not request injection', () => {
  test('is unchanged and not sent to the webhook', async () => {
    const before = await reviewCounts(cluster);
    for (let index = 0; index < 20; index += 1) {
      const created = await cluster.createPod(namespace, plainPod(`plain-${index}`), { dryRun: true });
      expect(created.spec?.initContainers).toBeUndefined();
      expect(created.spec?.containers[0]?.env).toBeUndefined();
      expect(created.metadata?.annotations).toBeUndefined();
    }
    const declining = { ...requestingPod('declines', { 'pannier.dev/inject': 'false' }) };
    expect(sidecarOf(await cluster.createPod(namespace, declining, { dryRun: true }))).toBeUndefined();
    expect(await reviewCounts(cluster)).toEqual(before);
    await cluster.createPod(namespace, requestingPod('requests'), { dryRun: true });
    expect(sumOf(await reviewCounts(cluster))).toBeGreaterThan(sumOf(before));
  });
});

describe('a pod that requests injection', () => {
  test('gets its sidecar in a dry run too', async () => {
    const pod = await cluster.createPod(namespace, requestingPod('dry'), { dryRun: true });
    expect(sidecarOf(pod)?.image).toBe(`${IMAGES.repository}:${IMAGES.tag}`);
  });

  test('restarts only the sidecar after the sidecar has crashed', async () => {
    // With a separate process namespace the sidecar would be process 1, which other processes in the namespace cannot
    // kill.
    const pod = requestingPod('crash');
    await cluster.createPod(namespace, { ...pod, spec: { ...pod.spec, shareProcessNamespace: true } });
    const started = await cluster.waitForReady(namespace, 'crash');
    expect(started.status?.initContainerStatuses?.[0]).toMatchObject({ name: 'pannier', restartCount: 0 });
    const target = { namespace, pod: 'crash', container: 'pannier' };
    const killed = await cluster.run(target, ['/nodejs/bin/node', '-e', KILL_SIDECAR]);
    expect(killed.exitCode).toBe(0);
    const restarted = await cluster.waitForPod(
      namespace,
      'crash',
      'with a new sidecar',
      (found) => found.status?.initContainerStatuses?.[0]?.restartCount === 1 && isReady(found),
    );
    expect(restarted.status?.initContainerStatuses?.[0]?.lastState?.terminated?.exitCode).toBe(137);
    expect(restarted.status?.containerStatuses?.[0]).toMatchObject({ name: 'app', restartCount: 0 });
  });

  test('may call the sidecar from its own init containers', async () => {
    const pod = requestingPod('early');
    const early = { name: 'early', image: IMAGES.example, command: ['node', '-e', CALL_SIDECAR] };
    await cluster.createPod(namespace, { ...pod, spec: { ...pod.spec, initContainers: [early] } });
    const running = await cluster.waitForReady(namespace, 'early');
    expect(running.spec?.initContainers?.map(({ name }) => name)).toEqual(['pannier', 'early']);
    const statuses = running.status?.initContainerStatuses ?? [];
    expect(statuses.find(({ name }) => name === 'early')).toMatchObject({
      restartCount: 0,
      state: { terminated: { exitCode: 0 } },
    });
  });

  test('completes as a Job once its own container has ended', async () => {
    const { metadata, spec } = requestingPod('job');
    const container = { name: 'work', image: IMAGES.example, command: ['node', '-e', CALL_SIDECAR] };
    await cluster.batch.createNamespacedJob({
      namespace,
      body: {
        metadata: { name: 'job' },
        spec: {
          backoffLimit: 0,
          template: {
            metadata: { annotations: metadata.annotations },
            spec: { ...spec, restartPolicy: 'Never', containers: [container] },
          },
        },
      },
    });
    const job = await waitInCluster('the end of the Job', async () => {
      const found = await cluster.batch.readNamespacedJob({ namespace, name: 'job' });
      return found.status?.succeeded || found.status?.failed ? found : undefined;
    });
    expect(job.status?.succeeded).toBe(1);
  });

  test('keeps its sidecar until its own containers have ended, and the sidecar then exits with code 0', async () => {
    const pod = requestingPod('late');
    const late = `process.on('SIGTERM', () => setTimeout(() => { ${CALL_SIDECAR} }, 2000)); setInterval(() => {}, 1e6)`;
    const containers = [{ name: 'app', image: IMAGES.example, command: ['node', '-e', late] }];
    // If a pod exceeds its deadline, the kubelet stops it as if it had been deleted. Unlike a deleted pod, such a pod
    // remains readable for the test.
    const spec = { activeDeadlineSeconds: 6, terminationGracePeriodSeconds: 20, restartPolicy: 'Never', containers };
    await cluster.createPod(namespace, { ...pod, spec });
    await cluster.waitForReady(namespace, 'late');
    const ended = await cluster.waitForPod(namespace, 'late', 'ended', ({ status }) => {
      const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
      return all.length === 2 && all.every(({ state }) => state?.terminated !== undefined);
    });
    const app = ended.status?.containerStatuses?.[0]?.state?.terminated;
    const sidecar = ended.status?.initContainerStatuses?.[0]?.state?.terminated;
    expect([app?.exitCode, sidecar?.exitCode]).toEqual([0, 0]);
    expect(sidecar?.finishedAt?.getTime()).toBeGreaterThanOrEqual(app?.finishedAt?.getTime() ?? Number.NaN);
  });

  test('can have a plain sidecar, which is the first container and serves before the app starts, unless it is a Job', async () => {
    const pod = requestingPod('plain-sidecar', { 'pannier.dev/native': 'false' });
    const first = callSidecar('setInterval(() => {}, 1e6);');
    await cluster.createPod(namespace, {
      ...pod,
      spec: { containers: [{ name: 'app', image: IMAGES.example, command: ['node', '-e', first] }] },
    });
    const running = await cluster.waitForReady(namespace, 'plain-sidecar');
    expect(running.spec?.containers.map(({ name }) => name)).toEqual(['pannier', 'app']);
    expect(running.status?.containerStatuses?.map(({ restartCount }) => restartCount)).toEqual([0, 0]);
    const job = { ...pod, spec: { ...pod.spec, restartPolicy: 'Never' } };
    expect(await cluster.refusal(namespace, job)).toContain(
      'cannot inject the pod: spec.restartPolicy is "Never", and a sidecar that is a plain container would keep the pod from completing; use kubelets of 1.29 or newer, or set annotation pannier.dev/native to "true"',
    );
  });

  test('runs where Pod Security restricted is enforced', async () => {
    const restricted = await cluster.namespace({ labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } });
    const pod = requestingPod('restricted');
    const securityContext = {
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    };
    const containers = pod.spec.containers.map((container) => ({ ...container, securityContext }));
    await cluster.createPod(restricted, { ...pod, spec: { containers } });
    await cluster.waitForReady(restricted, 'restricted');
    // The API server rejects the same pod without its security context, which proves that the namespace enforces the
    // level.
    expect(await cluster.refusal(restricted, pod)).toContain('violates PodSecurity "restricted');
  });

  test('reaches the sidecar over the unix socket', async () => {
    const name = 'socket';
    await cluster.createPod(namespace, requestingPod(name));
    await cluster.waitForReady(namespace, name);
    const script = `
      const socket = require('node:net').connect(process.env.PANNIER_SOCKET.slice(5));
      socket.on('connect', () => process.exit(0));
      socket.on('error', (error) => { console.error(error.message); process.exit(1); });`;
    expect(await cluster.run({ namespace, pod: name, container: 'app' }, ['node', '-e', script])).toEqual({
      exitCode: 0,
      output: '',
    });
  });
});

describe('a hostNetwork pod', () => {
  test('is rejected without ports of its own and runs with them', async () => {
    const pod = requestingPod('host');
    const onHost = (annotations: Record<string, string>): V1Pod => ({
      metadata: { ...pod.metadata, annotations: { ...pod.metadata.annotations, ...annotations } },
      spec: { ...pod.spec, hostNetwork: true },
    });
    expect(await cluster.refusal(namespace, onHost({}))).toContain(
      'cannot inject the pod: spec.hostNetwork is true, so its ports are ports of the node; set annotations pannier.dev/grpc-port and pannier.dev/admin-port to ports that no other pod of the node uses',
    );
    await cluster.createPod(namespace, onHost({ 'pannier.dev/grpc-port': '29470', 'pannier.dev/admin-port': '29471' }));
    const running = await cluster.waitForReady(namespace, 'host');
    expect(running.spec?.containers[0]?.env).toContainEqual({ name: 'PANNIER_ADDRESS', value: '127.0.0.1:29470' });
  });
});

describe('a namespace that requests injection', () => {
  test('by label gets a sidecar in all its pods except those that opt out', async () => {
    const labelled = await cluster.namespace({ labels: { 'pannier.dev/inject': 'true' } });
    const injected = await cluster.createPod(labelled, plainPod('plain'), { dryRun: true });
    expect(sidecarOf(injected)).toBeDefined();
    const declining = requestingPod('declines', { 'pannier.dev/inject': 'false' });
    expect(sidecarOf(await cluster.createPod(labelled, declining, { dryRun: true }))).toBeUndefined();
  });

  test('by annotation gets the label, and its pods get a sidecar', async () => {
    const annotated = await cluster.namespace({ annotations: { 'pannier.dev/inject': 'true' } });
    const read = await cluster.core.readNamespace({ name: annotated });
    expect(read.metadata?.labels).toMatchObject({ 'pannier.dev/inject': 'true' });
    await waitInCluster('injection into its pods', async () =>
      sidecarOf(await cluster.createPod(annotated, plainPod('plain'), { dryRun: true })),
    );
  });

  test('with an invalid value is rejected with the accepted values', async () => {
    const creating = cluster.namespace({ annotations: { 'pannier.dev/inject': 'yes' } });
    await expect(creating.then(() => '', refusalText)).resolves.toContain(
      'cannot inject Pannier: annotation pannier.dev/inject of the namespace is "yes"; set it to "true" or "false"',
    );
  });
});

test('the webhook and the command line change the pods of the golden files equally', async () => {
  const configMap = await cluster.core.readNamespacedConfigMap({
    namespace: RELEASE_NAMESPACE,
    name: `${INJECTOR}-config`,
  });
  const parsed = parseSidecarConfig(configMap.data?.['injector.yaml'] ?? '');
  if ('problems' in parsed) {
    throw new Error(`cannot read the configuration of the injector: ${parsed.problems[0].message}`);
  }
  const version = (await cluster.createPod(namespace, requestingPod('version'), { dryRun: true })).metadata
    ?.annotations?.['pannier.dev/version'];
  const different: string[] = [];
  let compared = 0;
  for (const { name, pod } of goldenPods()) {
    const injection = injectPod({
      pod,
      namespaceLabels: {},
      namespaceAnnotations: {},
      config: parsed.config,
      kubelets: { oldestMinor: 34 },
      ...(version === undefined ? {} : { version }),
    });
    const offline = injection.kind === 'inject' ? injection.pod : pod;
    const [byWebhook, byCommand] = [await admitted(pod), await admitted(offline)];
    const isRefused = injection.kind === 'refuse' && injection.problems.every((text) => byWebhook.includes(text));
    compared += injection.kind === 'inject' ? 1 : 0;
    if (byWebhook !== byCommand && !isRefused) {
      const at = [...byWebhook].findIndex((character, index) => character !== byCommand[index]);
      different.push(`${name}: ...${byWebhook.slice(at - 80, at + 80)} and ...${byCommand.slice(at - 80, at + 80)}`);
    }
  }
  expect(different).toEqual([]);
  expect(compared).toBeGreaterThan(30);
});

/** Returns the pods of the golden files, and the pod templates of their workloads as pods. */
function goldenPods(): { name: string; pod: Pod }[] {
  const directory = join(repositoryRoot, 'test', 'injection', 'cases');
  const files = readdirSync(directory).filter((file) => /^[a-z0-9-]+\.(yaml|json)$/.test(file));
  return files.flatMap((name) => {
    const documents = parseAllDocuments(readFileSync(join(directory, name), 'utf8')).map((document) => document.toJS());
    return documents.flatMap(workloadsIn).map(({ pod }) => ({ name, pod: asPod(pod) }));
  });
}

function asPod(template: Pod): Pod {
  const { annotations, labels } = template.metadata ?? {};
  const metadata = { name: 'golden', ...(annotations ? { annotations } : {}), ...(labels ? { labels } : {}) };
  // Without this field, one result would list the mount of the token before the mounts of the sidecar, and the other
  // result would list it after them.
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { ...template.spec, automountServiceAccountToken: false } };
}

/** Returns a string: the pod as the API server admits it, or the message with which the API server rejects it. */
async function admitted(pod: Pod): Promise<string> {
  try {
    const { metadata, spec } = await cluster.createPod(namespace, pod as unknown as V1Pod, { dryRun: true });
    // The test does not compare this annotation, because the annotation also records the empty lists of a pod. The API
    // server removes empty lists before it calls the injector, so only offline injection records them.
    const { 'pannier.dev/kept': _kept, ...annotations } = metadata?.annotations ?? {};
    return canonicalText({ annotations, labels: metadata?.labels, spec });
  } catch (error) {
    return refusalText(error);
  }
}

describe('annotations', () => {
  const rows: readonly AnnotationRow[] = ANNOTATIONS;

  test.each(rows.map((row) => [row.name, row] as const))(
    '%s: accepts its example and rejects invalid values with a message',
    async (name, row) => {
      const key = `pannier.dev/${name}`;
      const pod = await cluster.createPod(namespace, requestingPod('accepted', { [key]: row.example }), {
        dryRun: true,
      });
      expect(sidecarOf(pod)).toBeDefined();
      for (const wrong of row.wrong) {
        const text = await cluster.refusal(namespace, requestingPod('wrong', { [key]: wrong }));
        expect(text).toContain(key);
        expect(text).toMatch(/ must |unknown .+; |cannot .+; /);
      }
    },
  );

  test('rejects an unknown annotation and suggests the nearest one', async () => {
    const text = await cluster.refusal(namespace, requestingPod('unknown', { 'pannier.dev/log-levl': 'info' }));
    expect(text).toContain('unknown annotation pannier.dev/log-levl; did you mean pannier.dev/log-level?');
  });

  test('rejects a misspelt inject annotation instead of ignoring it', async () => {
    const pod = plainPod('misspelt');
    const text = await cluster.refusal(namespace, {
      ...pod,
      metadata: { name: 'misspelt', annotations: { 'pannier.dev/injct': 'true' } },
    });
    expect(text).toContain(
      "cannot inject Pannier: annotation pannier.dev/injct has no effect without pannier.dev/inject; set pannier.dev/inject to 'true' or 'false'",
    );
  });
});
