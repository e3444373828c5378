/**
 * Runs inside a sidecar under test (`--import`, with `--expose-gc`) and writes the number of live bytes to a file on SIGUSR2.
 *
 * Resident memory does not show leaks, because V8 keeps free pages for later use. The live bytes after a garbage collection are exact.
 */
import { renameSync, writeFileSync } from 'node:fs';

const path = process.env.HEAP_REPORT_FILE;
if (path !== undefined) {
  let reports = 0;
  process.on('SIGUSR2', () => {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    reports += 1;
    // Renames the complete file, so that a reader never sees a partial report.
    writeFileSync(`${path}.new`, JSON.stringify({ reports, liveBytes: heapUsed + external }));
    renameSync(`${path}.new`, path);
  });
}
