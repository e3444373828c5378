/**
 * Creates clients of the Kubernetes API server. Inside a cluster, the clients use the service account of the pod.
 * Elsewhere, they use the kubeconfig file.
 *
 * Invariant: every call ends within `CALL_TIMEOUT_MS`.
 */
import {
  AdmissionregistrationV1Api,
  AppsV1Api,
  BatchV1Api,
  CoreV1Api,
  createConfiguration,
  KubeConfig,
  RbacAuthorizationV1Api,
  type RequestContext,
  ServerConfiguration,
} from '@kubernetes/client-node';
import { VERSION } from '../lib/version.ts';

export interface ApiClients {
  readonly core: CoreV1Api;
  readonly admission: AdmissionregistrationV1Api;
  readonly apps: AppsV1Api;
  readonly batch: BatchV1Api;
  readonly rbac: RbacAuthorizationV1Api;
}

const CALL_TIMEOUT_MS = 5_000;
/** Server that the client library uses if it finds no configuration. */
const NO_CLUSTER = 'http://localhost:8080';

/** Creates the clients; throws if no cluster is configured. */
export function apiClients(): ApiClients {
  const config = new KubeConfig();
  config.loadFromDefault();
  const cluster = config.getCurrentCluster();
  if (cluster === null || cluster.server === NO_CLUSTER) {
    throw new Error(
      'cannot reach a cluster: none is configured; set KUBECONFIG, or run in a pod with a service account',
    );
  }
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(cluster.server, {}),
    authMethods: { default: config },
    promiseMiddleware: [{ pre: async (request) => bounded(request), post: async (response) => response }],
  });
  return {
    core: new CoreV1Api(configuration),
    admission: new AdmissionregistrationV1Api(configuration),
    apps: new AppsV1Api(configuration),
    batch: new BatchV1Api(configuration),
    rbac: new RbacAuthorizationV1Api(configuration),
  };
}

function bounded(request: RequestContext): RequestContext {
  request.setSignal(AbortSignal.timeout(CALL_TIMEOUT_MS));
  request.setHeaderParam('User-Agent', `pannier-injector/${VERSION}`);
  return request;
}
