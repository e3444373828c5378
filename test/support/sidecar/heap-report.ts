/**
 * Loaded into a sidecar under test (`--import`, with `--expose-gc`): on SIGUSR2 it writes how much memory is live.
 *
 * What the system calls resident says little about leaks: V8 keeps pages that it may need again. What is live after a
 * collection is exact.
 */
import { renameSync, writeFileSync } from 'node:fs';

const path = process.env.HEAP_REPORT_FILE;
if (path !== undefined) {
  let reports = 0;
  process.on('SIGUSR2', () => {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    reports += 1;
    // Renamed, so that a reader never sees half of it.
    writeFileSync(`${path}.new`, JSON.stringify({ reports, liveBytes: heapUsed + external }));
    renameSync(`${path}.new`, path);
  });
}
