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
  clusterPods,
  namespaceFacts,
  reasonOf,
} from '../manifests/status/cluster.ts';
import { CONFIG_KEY, type ConfigPlace, findInjectorConfig } from '../manifests/status/injector-config.ts';
import { failedCreates, liveWorkloads } from '../manifests/status/live-workloads.ts';
import { podStatus, type WorkloadStatus, workloadStatuses } from '../manifests/status/pod-status.ts';
import { type FailedCreate, workloadFinding } from '../manifests/status/workload-status.ts';
import type { NamespaceFacts } from '../manifests/workloads.ts';
import { type ConfigFlags, type ManifestIo, readConfig } from './manifest-io.ts';

export interface StatusFlags extends ConfigFlags, ConfigPlace {
  /** Namespace of the workloads; undefined selects all namespaces. */
  readonly namespace: string | undefined;
  readonly output: 'table' | 'json';
  readonly version?: string;
}

export async function runStatus(flags: StatusFlags, api: ClusterApi, io: ManifestIo): Promise<number> {
  try {
    const config = await findConfig(flags, api, io);
    if (config === undefined) {
      return 2;
    }
    const statuses = await readStatuses(flags, api, { config, io });
    io.out(flags.output === 'json' ? `${JSON.stringify(statuses, null, 2)}\n` : table(statuses));
    return statuses.every((status) => status.state === 'current') ? 0 : 1;
  } catch (error) {
    io.error(`cannot read the cluster: ${reasonOf(error)}`);
    return 2;
  }
}

async function readStatuses(
  flags: StatusFlags,
  api: ClusterApi,
  { config, io }: { config: SidecarConfig; io: ManifestIo },
): Promise<WorkloadStatus[]> {
  const { live, newestMs } = await clusterPods(api, flags.namespace);
  const namespaces = await orWarn(io, new Map<string, NamespaceFacts>(), {
    read: namespaceFacts(api, flags.namespace),
    warning: 'cannot list the namespaces, so only pods with Pannier annotations are found',
  });
  const kubelets = await orWarn(io, kubeletsOf([]), {
    read: clusterKubelets(api),
    warning: 'cannot list the nodes, so all kubelets are assumed to support native sidecars',
  });
  const found = live.flatMap((pod) => {
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
  const { workloads, hiddenKinds, reason } = await liveWorkloads(api, flags.namespace);
  if (hiddenKinds.length > 0) {
    io.error(`warning: cannot list ${hiddenKinds.join(', ')}, so those without pods are not shown: ${reason}`);
  }
  const events = await orWarn<ReadonlyMap<string, FailedCreate> | undefined>(io, undefined, {
    read: failedCreates(api, flags.namespace),
    warning: 'cannot list the events, so refused pods are found only if a workload has no pods at all',
  });
  const facts = { namespaces, config, kubelets, failedCreates: events, newestPodMs: newestMs };
  const findings = workloads.flatMap((workload) => workloadFinding(workload, facts) ?? []);
  return workloadStatuses(found, findings);
}

/** Returns the result of a call. If the call fails, prints a warning and returns the fallback. */
async function orWarn<Result>(
  io: ManifestIo,
  fallback: Result,
  { read, warning }: { read: Promise<Result>; warning: string },
): Promise<Result> {
  try {
    return await read;
  } catch (error) {
    io.error(`warning: ${warning}: ${reasonOf(error)}`);
    return fallback;
  }
}

/**
 * Reads the configuration from `--config`, or else from the injector's ConfigMap. If the configuration has errors,
 * prints them and returns undefined.
 */
async function findConfig(flags: StatusFlags, api: ClusterApi, io: ManifestIo): Promise<SidecarConfig | undefined> {
  if (flags.config !== undefined || flags.image !== undefined) {
    return readConfig(flags, io);
  }
  const found = await findInjectorConfig(api, flags);
  if (found.kind === 'problem') {
    io.error(found.message);
    return undefined;
  }
  const parsed = parseSidecarConfig(found.text);
  if ('config' in parsed) {
    return parsed.config;
  }
  for (const { line, column, message } of parsed.problems) {
    io.error(`${found.source} ${CONFIG_KEY}:${line}:${column}: ${message}`);
  }
  return undefined;
}

const HEADINGS = ['NAMESPACE', 'WORKLOAD', 'STATE', 'PODS', 'STALE', 'VERSIONS', 'CONFIGURATIONS'];

function table(statuses: readonly WorkloadStatus[]): string {
  if (statuses.length === 0) {
    return 'no workload has a sidecar or requests one\n';
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
