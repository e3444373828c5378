/**
 * What becomes of a command whose output nobody takes.
 *
 * A reader that has seen enough (`| head -1`) is no failure: what is left to print is dropped, and the exit code stays that of the work. Output that
 * cannot be written for another reason (a full disk) is, since whoever asked for it does not have it. What cannot be said on standard error
 * ends nothing: a sidecar serves on without it.
 */
export function guardOutput(): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') {
      return;
    }
    process.stderr.write(`cannot write the output: ${error.code}, wanted an output that takes it\n`);
    process.exit(1);
  });
}
