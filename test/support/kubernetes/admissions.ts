/**
 * Pods that ask for a sidecar, created all along while something happens to the injector; and what became of each.
 *
 * Most are dry runs, which go the whole way through admission and leave nothing behind; some are created for good, for a scheduler that
 * does not exist.
 */
import { ApiException } from '@kubernetes/client-node';
import { askingPod } from './chart.ts';
import { refusalText, sidecarOf, type TestCluster } from './cluster.ts';

export interface Admissions {
  /** Admitted with a sidecar. */
  readonly admitted: number;
  /** Created for good, of those. */
  readonly created: number;
  /** Refused, or admitted without one: each with its time, how long the call took, and its text, the first hundred. */
  readonly failures: readonly string[];
  /** Anything else: the API server itself did not answer, or could not. Noted the same way. */
  readonly unreachable: readonly string[];
}

const CALLERS = 2;
const PAUSE_MS = 40;
/** Every so many is created for good. */
const REAL_EVERY = 25;
const MAX_TEXTS = 100;
/** A webhook refuses with 403, an admission policy with 422. */
const REFUSED = [403, 422];

export class AdmissionLoad {
  readonly #cluster: TestCluster;
  readonly #namespace: string;
  readonly #running: Promise<void>[];
  #isStopped = false;
  #sent = 0;
  #admitted = 0;
  #created = 0;
  readonly #failures: string[] = [];
  readonly #unreachable: string[] = [];

  constructor(cluster: TestCluster, namespace: string) {
    this.#cluster = cluster;
    this.#namespace = namespace;
    this.#running = Array.from({ length: CALLERS }, () => this.#run());
  }

  get admitted(): number {
    return this.#admitted;
  }

  async stop(): Promise<Admissions> {
    this.#isStopped = true;
    await Promise.all(this.#running);
    return {
      admitted: this.#admitted,
      created: this.#created,
      failures: this.#failures,
      unreachable: this.#unreachable,
    };
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      this.#sent += 1;
      await this.#create(this.#sent);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async #create(number: number): Promise<void> {
    const isReal = number % REAL_EVERY === 0;
    const { metadata, spec } = askingPod('load');
    const { annotations } = metadata;
    const unscheduled = {
      metadata: { generateName: 'load-', annotations },
      spec: { ...spec, schedulerName: 'nobody' },
    };
    const startMs = performance.now();
    try {
      const made = await this.#cluster.createPod(this.#namespace, unscheduled, { dryRun: !isReal });
      if (sidecarOf(made) === undefined) {
        note(this.#failures, startMs, 'admitted without a sidecar');
        return;
      }
      this.#admitted += 1;
      this.#created += isReal ? 1 : 0;
    } catch (error) {
      if (error instanceof ApiException && REFUSED.includes(error.code)) {
        note(this.#failures, startMs, refusalText(error));
      } else {
        note(this.#unreachable, startMs, String(error));
      }
    }
  }
}

/** The duration tells a refused connection (milliseconds) from a timeout (`webhook.timeoutSeconds`). */
function note(texts: string[], startMs: number, text: string): void {
  if (texts.length < MAX_TEXTS) {
    const tookMs = Math.round(performance.now() - startMs);
    texts.push(`${new Date().toISOString()} after ${tookMs} ms: ${text}`);
  }
}
