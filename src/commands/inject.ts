/**
 * `pannier inject -f FILE`: adds the sidecar to manifests offline, as the webhook would, and prints the manifests on
 * standard output.
 *
 * Exits with 0 after success. Exits with 1 and prints no manifests if a pod was refused. Exits with 2 if the command
 * line, the configuration or the file is invalid.
 */
import { Command } from 'commander';
import { type Kubelets, kubeletsOf } from '../injection/kubelets.ts';
import type { SidecarConfig } from '../injection/sidecar-config.ts';
import { type EditedManifests, injectManifests, type WorkloadOutcome } from '../manifests/edit-manifests.ts';
import { workloadText } from '../manifests/workloads.ts';
import { type ConfigFlags, editedOrSaid, type ManifestIo, processIo, readConfig, readManifest } from './manifest-io.ts';

export interface InjectFlags extends ConfigFlags {
  readonly filename: string;
  readonly namespaceInject?: boolean;
  readonly kubelet?: string;
}

export function injectCommand(): Command {
  return addInjectOptions(new Command('inject'))
    .addHelpText(
      'after',
      '\nExample:\n  pannier inject -f deployment.yaml --image registry.example/pannier:1.0 | kubectl apply -f -',
    )
    .description(
      'Add the sidecar to the pods in manifests, as the injector would. The rest of the text is not changed.',
    )
    .action((flags: InjectFlags) => {
      process.exitCode = runInject(flags, processIo);
    });
}

export function addInjectOptions(command: Command): Command {
  return command
    .requiredOption('-f, --filename <file>', 'path to the manifests in YAML or JSON, or - for standard input')
    .option(
      '--config <file>',
      "path to the injector's configuration (key injector.yaml of ConfigMap pannier-injector-config)",
    )
    .option('--image <image>', 'image of the sidecar; overrides the configuration')
    .option('--namespace-inject', 'assume that the namespaces of the pods request injection')
    .option(
      '--kubelet <version>',
      'version of the oldest kubelet in the cluster, such as v1.28.3 (default: one that supports native sidecars)',
    );
}

export function runInject(flags: InjectFlags, io: ManifestIo): number {
  const result = injectAsRequested(flags, io);
  if (result === undefined) {
    return 2;
  }
  for (const outcome of result.outcomes) {
    for (const line of outcomeLines(outcome)) {
      io.error(line);
    }
  }
  if (result.outcomes.some(({ injection }) => injection.kind === 'refuse')) {
    return 1;
  }
  io.out(result.text);
  return 0;
}

/**
 * Injects the sidecar into the manifests, and returns the result with the configuration. If there is an error, prints
 * it and returns undefined.
 */
export function injectAsRequested(
  flags: InjectFlags,
  io: ManifestIo,
): (EditedManifests & { readonly config: SidecarConfig }) | undefined {
  const kubelets: Kubelets = kubeletsOf(flags.kubelet === undefined ? [] : [flags.kubelet]);
  if (flags.kubelet !== undefined && kubelets.oldestMinor === undefined) {
    io.error(`--kubelet must be a version such as v1.28.3, got ${JSON.stringify(flags.kubelet)}`);
    return undefined;
  }
  const config = readConfig(flags, io);
  const source = config === undefined ? undefined : readManifest(flags.filename, io);
  if (config === undefined || source === undefined) {
    return undefined;
  }
  const options = { config, kubelets, namespaceInject: flags.namespaceInject === true };
  const edited = editedOrSaid(injectManifests(source, options), io);
  return edited === undefined ? undefined : { ...edited, config };
}

function outcomeLines({ workload, injection }: WorkloadOutcome): string[] {
  const name = workloadText(workload);
  switch (injection.kind) {
    case 'inject':
      return [
        `${name}: ${injection.patch.length === 0 ? 'already has its sidecar' : 'injected'}`,
        ...injection.notes.map((note) => `${name}: note: ${note}`),
      ];
    case 'skip':
      return [`${name}: unchanged, ${injection.reason}`];
    case 'refuse':
      return injection.problems.map((problem) => `${name}: ${problem}`);
  }
}
