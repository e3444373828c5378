/**
 * `pannier inject -f FILE`: adds the sidecar to manifests offline, as the webhook would, and prints the manifests on
 * standard output as one stream.
 *
 * Exits with 0 after success. Exits with 1 and prints no manifests if a pod was refused, or if an object with an
 * annotation of Pannier was left out. Exits with 2 if the command line, the configuration or a file is invalid.
 */
import { Command } from 'commander';
import { type Kubelets, kubeletsOf } from '../injection/kubelets.ts';
import type { SidecarConfig } from '../injection/sidecar-config.ts';
import { injectFiles } from '../manifests/edit-manifests.ts';
import { type ConfigFlags, type FilesIo, processIo, readConfig } from './manifest-io.ts';
import { type EditedFile, type EditFlags, editNamedFiles, reportAndWrite } from './manifest-report.ts';

export interface InjectFlags extends ConfigFlags, EditFlags {
  readonly namespaceInject?: boolean;
  readonly kubelet?: string;
}

export function injectCommand(): Command {
  return addInjectOptions(new Command('inject'))
    .addHelpText(
      'after',
      `
Examples:
  pannier inject -f deployment.yaml --image registry.example/pannier:1.0 | kubectl apply -f -
  pannier inject -f manifests/ --recursive --config injector.yaml | kubectl apply -f -`,
    )
    .description(
      'Add the sidecar to the pods in manifests, as the injector would. The rest of the text is not changed.',
    )
    .action((flags: InjectFlags) => {
      process.exitCode = runInject(flags, processIo);
    });
}

/** Adds the options that name manifests. */
export function addFileOptions(command: Command): Command {
  return command
    .requiredOption(
      '-f, --filename <file...>',
      'files or directories with manifests in YAML or JSON, or - for standard input; may be repeated',
    )
    .option('-R, --recursive', 'also read the subdirectories of directories')
    .option(
      '--kind <group/kind=path>',
      'further kind and the path of its pod template, such as example.com/Worker=spec.podTemplate; may be repeated',
      (value: string, before: readonly string[] = []) => [...before, value],
    );
}

export function addInjectOptions(command: Command): Command {
  return addFileOptions(command)
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

export function runInject(flags: InjectFlags, io: FilesIo): number {
  const result = injectAsRequested(flags, io);
  return result === undefined ? 2 : reportAndWrite(result.files, 'injected', io);
}

/**
 * Injects the sidecar into the manifests, and returns the result with the configuration. If there is an error, prints
 * it and returns undefined.
 */
export function injectAsRequested(
  flags: InjectFlags,
  io: FilesIo,
): { readonly files: readonly EditedFile[]; readonly config: SidecarConfig } | undefined {
  const kubelets: Kubelets = kubeletsOf(flags.kubelet === undefined ? [] : [flags.kubelet]);
  if (flags.kubelet !== undefined && kubelets.oldestMinor === undefined) {
    io.error(`--kubelet must be a version such as v1.28.3, got ${JSON.stringify(flags.kubelet)}`);
    return undefined;
  }
  if (flags.config === '-' && flags.filename.includes('-')) {
    io.error('cannot read --config from standard input: --filename reads it too; use a file for one of them');
    return undefined;
  }
  const config = readConfig(flags, io);
  if (config === undefined) {
    return undefined;
  }
  const options = { config, kubelets, namespaceInject: flags.namespaceInject === true };
  const files = editNamedFiles(flags, (texts, kinds) => injectFiles(texts, { ...options, kinds }), io);
  return files === undefined ? undefined : { files, config };
}
