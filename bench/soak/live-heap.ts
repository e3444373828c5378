/**
 * Measures the live memory of a sidecar: the memory that remains after a garbage collection, in V8's heap and outside it.
 *
 * The caller must start the sidecar with `environment`, which loads a reporter into it. On SIGUSR2 the reporter writes the size of the live memory to
 * a file.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const REPORTER = join(import.meta.dirname, '..', '..', 'test', 'support', 'sidecar', 'heap-report.ts');
const MAX_ANSWER_MS = 10_000;
const POLL_MS = 10;
/** Number of collections. One collection can leave memory that the next collection frees, such as memory of finalizers or closed sockets. */
const READS = 3;
const BETWEEN_READS_MS = 100;

interface HeapReport {
  readonly reports: number;
  readonly liveBytes: number;
}

export class LiveHeap {
  readonly environment: Record<string, string>;
  readonly #path: string;

  constructor() {
    const directory = mkdtempSync(join(tmpdir(), 'pannier-soak-'));
    process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
    this.#path = join(directory, 'heap.json');
    this.environment = { NODE_OPTIONS: `--expose-gc --import=${REPORTER}`, HEAP_REPORT_FILE: this.#path };
  }

  /** Returns the smallest of several measurements. */
  async bytes(pid: number): Promise<number> {
    let least = Number.POSITIVE_INFINITY;
    for (let read = 0; read < READS; read += 1) {
      least = Math.min(least, await this.#readOnce(pid));
      await new Promise((resolve) => setTimeout(resolve, BETWEEN_READS_MS));
    }
    return least;
  }

  async #readOnce(pid: number): Promise<number> {
    const before = this.#report().reports;
    process.kill(pid, 'SIGUSR2');
    const endMs = performance.now() + MAX_ANSWER_MS;
    while (performance.now() < endMs) {
      const report = this.#report();
      if (report.reports > before) {
        return report.liveBytes;
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    throw new Error(`cannot read the live heap: the sidecar did not answer within ${MAX_ANSWER_MS} ms`);
  }

  #report(): HeapReport {
    return existsSync(this.#path) ? JSON.parse(readFileSync(this.#path, 'utf8')) : { reports: 0, liveBytes: 0 };
  }
}
