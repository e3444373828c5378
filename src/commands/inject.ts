/**
 * `pannier inject -f FILE`: what the webhook would do to the pods of these manifests, offline; the manifests come out on standard output.
 *
 * Exit codes: 0 done; 1 a pod was refused, and nothing is written; 2 the command line, the configuration or the file cannot be used.
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
    .description('Put the sidecar into the pods of manifests, as the injector would; everything else stays as it is.')
    .action((flags: InjectFlags) => {
      process.exitCode = runInject(flags, processIo);
    });
}

export function addInjectOptions(command: Command): Command {
  return command
    .requiredOption('-f, --filename <file>', 'manifests in YAML or JSON; - is standard input')
    .option('--config <file>', "the injector's configuration (ConfigMap pannier-injector-config, key injector.yaml)")
    .option('--image <image>', 'image of the sidecar, wins over the configuration')
    .option('--namespace-inject', 'take it that the namespaces ask for injection')
    .option(
      '--kubelet <version>',
      'the oldest kubelet of the cluster, such as v1.28.3 (default: new enough for a native sidecar)',
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

/** What injection makes of the manifests, and by which configuration. Undefined: something cannot be used, and that has been said. */
export function injectAsRequested(
  flags: InjectFlags,
  io: ManifestIo,
): (EditedManifests & { readonly config: SidecarConfig }) | undefined {
  const kubelets: Kubelets = kubeletsOf(flags.kubelet === undefined ? [] : [flags.kubelet]);
  if (flags.kubelet !== undefined && kubelets.oldestMinor === undefined) {
    io.error(`cannot use --kubelet: it is ${JSON.stringify(flags.kubelet)}, wanted a version such as v1.28.3`);
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
      return [`${name}: ${injection.patch.length === 0 ? 'has its sidecar already' : 'injected'}`];
    case 'skip':
      return [`${name}: left as it is, ${injection.reason}`];
    case 'refuse':
      return injection.problems.map((problem) => `${name}: ${problem}`);
  }
}
