/**
 * Client with which tests use the real cluster in PANNIER_TEST_KUBECONFIG (or KUBECONFIG). The client creates
 * namespaces and deletes them at the end.
 *
 * The client reaches pods only through the API server, so the test machine needs no route to the pod network.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { PassThrough, Writable } from 'node:stream';
import {
  AdmissionregistrationV1Api,
  ApiException,
  AppsV1Api,
  BatchV1Api,
  CoreV1Api,
  CustomObjectsApi,
  Exec,
  KubeConfig,
  PatchStrategy,
  PortForward,
  setHeaderOptions,
  type V1Container,
  type V1Pod,
  type V1Status,
} from '@kubernetes/client-node';
import { waitInCluster } from './wait.ts';

export interface Ran {
  readonly exitCode: number;
  readonly output: string;
}

export interface Forward {
  readonly port: number;
  close(): void;
}

const POD_TIMEOUT_MS = 60_000;

export class TestCluster {
  readonly core: CoreV1Api;
  readonly apps: AppsV1Api;
  readonly batch: BatchV1Api;
  readonly admission: AdmissionregistrationV1Api;
  readonly custom: CustomObjectsApi;
  readonly #config: KubeConfig;
  readonly #namespaces: string[] = [];
  readonly #forwards: Forward[] = [];

  constructor() {
    const file = kubeconfigFile();
    this.#config = new KubeConfig();
    this.#config.loadFromFile(file);
    this.core = this.#config.makeApiClient(CoreV1Api);
    this.apps = this.#config.makeApiClient(AppsV1Api);
    this.batch = this.#config.makeApiClient(BatchV1Api);
    this.admission = this.#config.makeApiClient(AdmissionregistrationV1Api);
    this.custom = this.#config.makeApiClient(CustomObjectsApi);
  }

  /** Creates a namespace with a unique name and waits until pods can be created in it. */
  async namespace(
    metadata: { labels?: Record<string, string>; annotations?: Record<string, string> } = {},
    timeoutMs = POD_TIMEOUT_MS,
  ): Promise<string> {
    const created = await this.core.createNamespace({
      body: { metadata: { ...metadata, generateName: 'pannier-e2e-' } },
    });
    const name = created.metadata?.name ?? '';
    this.#namespaces.push(name);
    // Pods need the default service account, which a controller creates.
    await waitInCluster(
      'the default service account',
      () => this.core.readNamespacedServiceAccount({ namespace: name, name: 'default' }),
      timeoutMs,
    );
    return name;
  }

  async close(): Promise<void> {
    for (const forward of this.#forwards) {
      forward.close();
    }
    await Promise.all(
      this.#namespaces.map((name) => this.core.deleteNamespace({ name, gracePeriodSeconds: 0 }).catch(() => undefined)),
    );
  }

  async createPod(namespace: string, pod: V1Pod, options: { dryRun?: boolean } = {}): Promise<V1Pod> {
    return await this.core.createNamespacedPod({
      namespace,
      body: { apiVersion: 'v1', kind: 'Pod', ...pod },
      ...(options.dryRun ? { dryRun: 'All' } : {}),
    });
  }

  /** Returns the message with which the API server rejects a pod. Throws if the API server admits the pod. */
  async refusal(namespace: string, pod: V1Pod): Promise<string> {
    try {
      await this.createPod(namespace, pod, { dryRun: true });
    } catch (error) {
      return refusalText(error);
    }
    throw new Error('cannot read the rejection: the pod was admitted');
  }

  async pod(namespace: string, name: string): Promise<V1Pod> {
    return await this.core.readNamespacedPod({ namespace, name });
  }

  async pods(namespace: string, labelSelector: string): Promise<V1Pod[]> {
    const list = await this.core.listNamespacedPod({ namespace, labelSelector });
    return list.items;
  }

  async waitForPod(namespace: string, name: string, what: string, is: (pod: V1Pod) => boolean): Promise<V1Pod> {
    let last: V1Pod | undefined;
    try {
      return await waitInCluster(
        `pod ${name} ${what}`,
        async () => {
          last = await this.pod(namespace, name);
          return is(last) ? last : undefined;
        },
        POD_TIMEOUT_MS,
      );
    } catch (error) {
      const states = JSON.stringify([last?.status?.initContainerStatuses, last?.status?.containerStatuses]);
      throw new Error(`cannot wait for pod ${name}: it was not ${what} in time: ${states}`, { cause: error });
    }
  }

  async waitForReady(namespace: string, name: string): Promise<V1Pod> {
    return await this.waitForPod(namespace, name, 'ready', isReady);
  }

  /** Waits until exactly `count` pods with the label exist and are ready. Ignores pods that are being deleted. */
  async waitForPods(
    namespace: string,
    labelSelector: string,
    count: number,
    timeoutMs = POD_TIMEOUT_MS,
  ): Promise<V1Pod[]> {
    return await waitInCluster(
      `${count} ready pods of ${labelSelector}`,
      async () => {
        const pods = await this.pods(namespace, labelSelector);
        const living = pods.filter((pod) => pod.metadata?.deletionTimestamp === undefined);
        return living.length === count && living.every(isReady) ? living : undefined;
      },
      timeoutMs,
    );
  }

  /**
   * Returns whether the API server serves this API group, for example because its CustomResourceDefinitions are
   * installed.
   */
  async serves(group: string, version: string): Promise<boolean> {
    try {
      await this.custom.getAPIResources({ group, version });
      return true;
    } catch (error) {
      if (error instanceof ApiException && error.code === 404) {
        return false;
      }
      throw error;
    }
  }

  async scale(namespace: string, deployment: string, replicas: number): Promise<void> {
    await this.apps.patchNamespacedDeployment(
      { namespace, name: deployment, body: { spec: { replicas } } },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    );
  }

  /**
   * Makes the kubelet update the mounted ConfigMaps of a pod at once. Without a change to the pod, the kubelet updates
   * them only in its next periodic sync, about a minute later.
   */
  async refreshMounts(namespace: string, name: string): Promise<void> {
    await this.core.patchNamespacedPod(
      { namespace, name, body: { metadata: { annotations: { 'test/refreshed-at-ms': String(Date.now()) } } } },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    );
  }

  async log(namespace: string, name: string, container: string): Promise<string> {
    return await this.core.readNamespacedPodLog({ namespace, name, container });
  }

  /** Runs a command in a container until it exits. */
  async run(target: { namespace: string; pod: string; container: string }, command: readonly string[]): Promise<Ran> {
    let output = '';
    const sink = (): Writable =>
      new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          output += chunk.toString();
          done();
        },
      });
    const status = await new Promise<V1Status>((resolve, reject) => {
      new Exec(this.#config)
        .exec(target.namespace, target.pod, target.container, [...command], sink(), sink(), null, false, resolve)
        .catch(reject);
    });
    const cause = status.details?.causes?.find(({ reason }) => reason === 'ExitCode');
    return { exitCode: status.status === 'Success' ? 0 : Number(cause?.message ?? 1), output };
  }

  /** Forwards a local port to a port on the loopback interface of a pod. */
  async forward(namespace: string, pod: string, port: number): Promise<Forward> {
    const sockets = new Set<Socket>();
    const forwarding = new PortForward(this.#config);
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
      const errors = new PassThrough();
      // If no process listens on the port, the connection of the caller must be closed.
      errors.on('data', () => socket.destroy());
      forwarding.portForward(namespace, pod, [port], socket, errors, socket).catch(() => socket.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const forward = {
      port: (server.address() as AddressInfo).port,
      close: () => {
        server.close();
        for (const socket of sockets) {
          socket.destroy();
        }
      },
    };
    this.#forwards.push(forward);
    return forward;
  }
}

export function kubeconfigFile(): string {
  const file = process.env.PANNIER_TEST_KUBECONFIG ?? process.env.KUBECONFIG;
  if (file === undefined || file === '') {
    throw new Error('cannot test on a cluster: PANNIER_TEST_KUBECONFIG is not set; set it to the path of a kubeconfig');
  }
  return file;
}

export function refusalText(error: unknown): string {
  if (error instanceof ApiException) {
    const body: unknown = typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
    return (body as V1Status).message ?? '';
  }
  throw error;
}

export function isReady(pod: V1Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

/** Returns the sidecar, native or plain, or undefined if the pod has no sidecar. */
export function sidecarOf(pod: V1Pod): V1Container | undefined {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  return containers.find(({ name }) => name === 'pannier');
}
