/**
 * `pannier injection status`: lists the workloads of a cluster and whether the sidecars of their pods are up to date.
 *
 * A sidecar is up to date if it has the version of this program and the configuration of the cluster's injector (or of
 * a file). Exits with 0 if all sidecars are up to date, and with 1 if some sidecars are not. Exits with 2 if the
 * command cannot read the cluster or the configuration.
 */
import { kubeletsOf } from '../injection/kubelets.ts';
import { parseSidecarConfig, type SidecarConfig } from '../injection/sidecar-config.ts';
import { VERSION } from '../lib/version.ts';
import {
  type ClusterApi,
  clusterKubelets,
  INJECTOR_CONFIG,
  injectorConfigText,
  livePods,
  namespaceFacts,
} from '../manifests/status/cluster.ts';
import { podStatus, type WorkloadStatus, workloadStatuses } from '../manifests/status/pod-status.ts';
import type { NamespaceFacts } from '../manifests/workloads.ts';
import { type ConfigFlags, type ManifestIo, readConfig } from './manifest-io.ts';

export interface StatusFlags extends ConfigFlags {
  /** Namespace of the workloads; undefined selects all namespaces. */
  readonly namespace: string | undefined;
  readonly injectorNamespace: string;
  readonly output: 'table' | 'json';
  readonly version?: string;
}

export async function runStatus(flags: StatusFlags, core: ClusterApi, io: ManifestIo): Promise<number> {
  try {
    const config = await findConfig(flags, core, io);
    if (config === undefined) {
      return 2;
    }
    const statuses = await readStatuses(flags, core, { config, io });
    io.out(flags.output === 'json' ? `${JSON.stringify(statuses, null, 2)}\n` : table(statuses));
    return statuses.every((status) => status.state === 'current') ? 0 : 1;
  } catch (error) {
    io.error(`cannot read the cluster: ${reasonOf(error)}`);
    return 2;
  }
}

async function readStatuses(
  flags: StatusFlags,
  core: ClusterApi,
  { config, io }: { config: SidecarConfig; io: ManifestIo },
): Promise<WorkloadStatus[]> {
  const pods = await livePods(core, flags.namespace);
  const namespaces = await namespaceFacts(core, flags.namespace).catch((error: unknown) => {
    io.error(
      `warning: cannot list the namespaces, so only pods with Pannier annotations are found: ${reasonOf(error)}`,
    );
    return new Map<string, NamespaceFacts>();
  });
  const kubelets = await clusterKubelets(core).catch((error: unknown) => {
    io.error(
      `warning: cannot list the nodes, so all kubelets are assumed to support native sidecars: ${reasonOf(error)}`,
    );
    return kubeletsOf([]);
  });
  const found = pods.flatMap((pod) => {
    const facts = namespaces.get(pod.metadata?.namespace ?? '');
    const status = podStatus({
      pod,
      namespaceLabels: facts?.labels ?? {},
      namespaceAnnotations: facts?.annotations ?? {},
      config,
      kubelets,
      version: flags.version ?? VERSION,
    });
    return status === undefined ? [] : [{ pod, status }];
  });
  return workloadStatuses(found);
}

/**
 * Reads the configuration from `--config`, or else from the injector's ConfigMap. If the configuration has errors,
 * prints them and returns undefined.
 */
async function findConfig(flags: StatusFlags, core: ClusterApi, io: ManifestIo): Promise<SidecarConfig | undefined> {
  if (flags.config !== undefined || flags.image !== undefined) {
    return readConfig(flags, io);
  }
  const source = `ConfigMap ${flags.injectorNamespace}/${INJECTOR_CONFIG.name}`;
  let text: string | undefined;
  try {
    text = await injectorConfigText(core, flags.injectorNamespace);
  } catch (error) {
    io.error(`cannot read ${source}: ${reasonOf(error)}; use --injector-namespace or --config`);
    return undefined;
  }
  const parsed = parseSidecarConfig(text ?? '');
  if ('config' in parsed) {
    return parsed.config;
  }
  for (const { line, column, message } of parsed.problems) {
    io.error(`${source} ${INJECTOR_CONFIG.key}:${line}:${column}: ${message}`);
  }
  return undefined;
}

const HEADINGS = ['NAMESPACE', 'WORKLOAD', 'STATE', 'PODS', 'STALE', 'VERSIONS', 'CONFIGURATIONS'];

function table(statuses: readonly WorkloadStatus[]): string {
  if (statuses.length === 0) {
    return 'no pod has a sidecar or requests one\n';
  }
  const rows = statuses.map((status) => [
    status.namespace,
    status.workload,
    status.state,
    String(status.pods),
    String(status.stalePods),
    status.versions.join(',') || '-',
    status.configHashes.join(',') || '-',
  ]);
  const widths = HEADINGS.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const lines = [HEADINGS, ...rows].map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const problems = statuses.flatMap((status) =>
    status.problems.map((problem) => `${status.namespace}/${status.workload}: ${problem}`),
  );
  return `${[...lines, ...problems].join('\n')}\n`;
}

/** Returns the message of the API server if the error contains one, or else the message of the error. */
function reasonOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && 'body' in error) {
    const message = /"message":"((?:[^"\\]|\\.)*)"/.exec(String(error.body))?.[1];
    return message === undefined ? `status ${String(error.code)}` : message.replaceAll('\\"', '"');
  }
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return error instanceof Error ? error.message + cause : String(error);
}
