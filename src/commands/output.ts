/**
 * Handles write errors on standard output and standard error.
 *
 * Invariants:
 *   1. A reader that closes the pipe early (`| head -1`) is not a failure: the remaining output is dropped, and the
 *      exit code does not change.
 *   2. Any other write error on standard output, such as a full disk, exits with code 1, because the output is
 *      incomplete.
 *   3. A write error on standard error is ignored, so that a sidecar keeps serving.
 */
export function guardOutput(): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') {
      return;
    }
    process.stderr.write(`cannot write to standard output: ${error.code}; use a writable output\n`);
    process.exit(1);
  });
}
