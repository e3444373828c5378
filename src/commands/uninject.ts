/**
 * `pannier uninject -f FILE`: removes the sidecar that `pannier inject` or the webhook has added to manifests, and
 * prints the result on standard output as one stream.
 *
 * Exits with 0 after success. Exits with 1 and prints no manifests if a pod is malformed, or if a pod with a sidecar was
 * left out. Exits with 2 if the command line or a file is invalid.
 */
import { Command } from 'commander';
import { uninjectFiles } from '../manifests/edit-manifests.ts';
import { addFileOptions } from './inject.ts';
import { type FilesIo, processIo } from './manifest-io.ts';
import { type EditFlags, editNamedFiles, reportAndWrite } from './manifest-report.ts';

export function uninjectCommand(): Command {
  return addFileOptions(new Command('uninject'))
    .description('Remove the sidecar from the pods in manifests. The annotations that request it stay.')
    .addHelpText(
      'after',
      '\nExample:\n  kubectl get deployment shop -o yaml | pannier uninject -f - | kubectl apply -f -',
    )
    .action((flags: EditFlags) => {
      process.exitCode = runUninject(flags, processIo);
    });
}

export function runUninject(flags: EditFlags, io: FilesIo): number {
  const files = editNamedFiles(flags, uninjectFiles, io);
  return files === undefined ? 2 : reportAndWrite(files, 'uninjected', io);
}
