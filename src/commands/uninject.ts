/**
 * `pannier uninject -f FILE`: manifests without the sidecar that `pannier inject` or the webhook put in.
 *
 * Exit codes: 0 done; 1 a pod cannot be read, and nothing is written; 2 the command line or the file cannot be used.
 */
import { Command } from 'commander';
import { uninjectManifests } from '../manifests/edit-manifests.ts';
import { workloadText } from '../manifests/workloads.ts';
import { editedOrSaid, type ManifestIo, processIo, readManifest } from './manifest-io.ts';

export function uninjectCommand(): Command {
  return new Command('uninject')
    .description('Take the sidecar out of the pods of manifests; the annotations that asked for it stay.')
    .requiredOption('-f, --filename <file>', 'manifests in YAML or JSON; - is standard input')
    .action((flags: { filename: string }) => {
      process.exitCode = runUninject(flags.filename, processIo);
    });
}

export function runUninject(filename: string, io: ManifestIo): number {
  const source = readManifest(filename, io);
  if (source === undefined) {
    return 2;
  }
  const result = editedOrSaid(uninjectManifests(source), io);
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
      io.error(`${name}: ${injection.kind === 'skip' ? `left as it is, ${injection.reason}` : 'uninjected'}`);
    }
  }
  if (refused > 0) {
    return 1;
  }
  io.out(result.text);
  return 0;
}
