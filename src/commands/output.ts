/**
 * Handles write errors on standard output and standard error.
 *
 * Invariants:
 *   1. A reader that closes the pipe early (`| head -1`) is not a failure. The program drops the remaining output, and
 *      the exit code does not change.
 *   2. After any other write error on standard output, such as a full disk, the program exits with code 1, because the
 *      output is incomplete.
 *   3. The program ignores a write error on standard error, so that a sidecar keeps serving.
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
