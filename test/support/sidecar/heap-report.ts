/**
 * Reporter that is loaded into a sidecar under test (`--import`, with `--expose-gc`). On SIGUSR2 it writes the size of
 * the live memory to a file.
 *
 * Resident memory does not show leaks, because V8 keeps unused pages. The live memory after a garbage collection is
 * exact.
 */
import { renameSync, writeFileSync } from 'node:fs';

const path = process.env.HEAP_REPORT_FILE;
if (path !== undefined) {
  let reports = 0;
  process.on('SIGUSR2', () => {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    reports += 1;
    // Renames the file, so that a reader never reads an incomplete file.
    writeFileSync(`${path}.new`, JSON.stringify({ reports, liveBytes: heapUsed + external }));
    renameSync(`${path}.new`, path);
  });
}
