/**
 * `pannier uninject -f FILE`: removes the sidecar that `pannier inject` or the webhook has added to manifests, and
 * prints the result on standard output.
 *
 * Exits with 0 after success. Exits with 1 and prints no manifests if a pod is malformed. Exits with 2 if the command
 * line or the file is invalid.
 */
import { Command } from 'commander';
import { uninjectManifests } from '../manifests/edit-manifests.ts';
import { workloadText } from '../manifests/workloads.ts';
import { editedOrSaid, type ManifestIo, processIo, readManifest } from './manifest-io.ts';

export function uninjectCommand(): Command {
  return new Command('uninject')
    .description('Remove the sidecar from the pods in manifests. The annotations that request it stay.')
    .requiredOption('-f, --filename <file>', 'path to the manifests in YAML or JSON, or - for standard input')
    .addHelpText(
      'after',
      '\nExample:\n  kubectl get deployment shop -o yaml | pannier uninject -f - | kubectl apply -f -',
    )
    .action((flags: { filename: string }) => {
      process.exitCode = runUninject(flags.filename, processIo);
    });
}

export function runUninject(filename: string, io: ManifestIo): number {
  const source = readManifest(filename, io);
  if (source === undefined) {
    return 2;
  }
  const result = editedOrSaid(filename, uninjectManifests(source), io);
  if (result === undefined) {
    return 2;
  }
  let refused = 0;
  for (const { workload, injection } of result.outcomes) {
    const name = workloadText(workload);
    if (injection.kind === 'refuse') {
      refused += 1;
      for (const problem of injection.problems) {
        io.error(`${name}: ${problem}`);
      }
    } else {
      io.error(`${name}: ${injection.kind === 'skip' ? `unchanged, ${injection.reason}` : 'uninjected'}`);
    }
  }
  if (refused > 0) {
    return 1;
  }
  io.out(result.text);
  return 0;
}
