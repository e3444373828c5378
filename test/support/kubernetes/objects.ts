/**
 * Validates objects of any kind on a real cluster by strict dry runs, or creates them until the test ends.
 */
import { request } from 'node:https';
import { KubeConfig, KubernetesObjectApi } from '@kubernetes/client-node';
import { kubeconfigFile } from './cluster.ts';
import type { Manifest } from './helm.ts';

const TIMEOUT_MS = 20_000;

/** Plural name and scope of each kind in the chart. */
const RESOURCES: Readonly<Record<string, { readonly plural: string; readonly namespaced: boolean }>> = {
  Certificate: { plural: 'certificates', namespaced: true },
  ClusterRole: { plural: 'clusterroles', namespaced: false },
  ClusterRoleBinding: { plural: 'clusterrolebindings', namespaced: false },
  ConfigMap: { plural: 'configmaps', namespaced: true },
  CronJob: { plural: 'cronjobs', namespaced: true },
  DaemonSet: { plural: 'daemonsets', namespaced: true },
  Deployment: { plural: 'deployments', namespaced: true },
  Issuer: { plural: 'issuers', namespaced: true },
  Job: { plural: 'jobs', namespaced: true },
  MutatingAdmissionPolicy: { plural: 'mutatingadmissionpolicies', namespaced: false },
  MutatingAdmissionPolicyBinding: { plural: 'mutatingadmissionpolicybindings', namespaced: false },
  MutatingWebhookConfiguration: { plural: 'mutatingwebhookconfigurations', namespaced: false },
  Namespace: { plural: 'namespaces', namespaced: false },
  NetworkPolicy: { plural: 'networkpolicies', namespaced: true },
  Pod: { plural: 'pods', namespaced: true },
  PodMonitor: { plural: 'podmonitors', namespaced: true },
  PodDisruptionBudget: { plural: 'poddisruptionbudgets', namespaced: true },
  PrometheusRule: { plural: 'prometheusrules', namespaced: true },
  Role: { plural: 'roles', namespaced: true },
  RoleBinding: { plural: 'rolebindings', namespaced: true },
  Service: { plural: 'services', namespaced: true },
  ServiceMonitor: { plural: 'servicemonitors', namespaced: true },
  ServiceAccount: { plural: 'serviceaccounts', namespaced: true },
  StatefulSet: { plural: 'statefulsets', namespaced: true },
  ValidatingAdmissionPolicy: { plural: 'validatingadmissionpolicies', namespaced: false },
  ValidatingAdmissionPolicyBinding: { plural: 'validatingadmissionpolicybindings', namespaced: false },
};

export interface DryRunAnswer {
  readonly code: number;
  /** Error message of the API server, which is empty if the API server accepted the object. */
  readonly message: string;
  /** Texts of the warnings, which kubectl prints. */
  readonly warnings: readonly string[];
  readonly object: unknown;
}

export class KubernetesObjects {
  readonly #config = new KubeConfig();
  readonly #created: Manifest[] = [];

  constructor() {
    this.#config.loadFromFile(kubeconfigFile());
  }

  /**
   * Creates the object in a dry run, or replaces the object of this name. The API server rejects unknown and duplicate
   * fields.
   */
  async dryRun(manifest: Manifest, options: { replaces?: boolean } = {}): Promise<DryRunAnswer> {
    const cluster = this.#config.getCurrentCluster();
    const resource = RESOURCES[manifest.kind];
    if (cluster === null || resource === undefined) {
      throw new Error(
        `cannot validate ${manifest.kind}/${manifest.metadata.name}: no current cluster, or a kind missing from RESOURCES`,
      );
    }
    const group = manifest.apiVersion.includes('/') ? `apis/${manifest.apiVersion}` : `api/${manifest.apiVersion}`;
    const place = resource.namespaced ? `namespaces/${manifest.metadata.namespace}/` : '';
    const item = options.replaces === true ? `/${manifest.metadata.name}` : '';
    const url = new URL(
      `${cluster.server}/${group}/${place}${resource.plural}${item}?dryRun=All&fieldValidation=Strict`,
    );
    const method = options.replaces === true ? 'PUT' : 'POST';
    const requestOptions = { method, timeout: TIMEOUT_MS, headers: { 'content-type': 'application/json' } };
    await this.#config.applyToHTTPSOptions(requestOptions);
    return await new Promise((resolve, reject) => {
      const call = request(url, requestOptions, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const object: unknown = JSON.parse(Buffer.concat(chunks).toString());
          const message = (object as { message?: string }).message ?? '';
          const warnings = (response.headersDistinct.warning ?? []).map(warningText);
          resolve({ code: response.statusCode ?? 0, message, warnings, object });
        });
      });
      call.on('error', reject);
      call.on('timeout', () =>
        call.destroy(new Error(`cannot validate ${manifest.kind}: no response within ${TIMEOUT_MS} ms`)),
      );
      call.end(JSON.stringify(manifest));
    });
  }

  async create(manifest: Manifest): Promise<void> {
    await KubernetesObjectApi.makeApiClient(this.#config).create(manifest);
    this.#created.push(manifest);
  }

  async close(): Promise<void> {
    const client = KubernetesObjectApi.makeApiClient(this.#config);
    await Promise.all(this.#created.map((manifest) => client.delete(manifest).catch(() => undefined)));
  }
}

/** Returns the text of a warning header, which has the form `299 - "TEXT"`. */
function warningText(header: string): string {
  const quoted = /^299 \S+ "(.*)"$/s.exec(header)?.[1];
  return quoted === undefined ? header : quoted.replace(/\\(.)/gs, '$1');
}
