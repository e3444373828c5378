/**
 * Creates pods that request injection at a steady rate while a test changes the injector, and records the outcome of
 * each creation.
 *
 * The module creates most pods in a dry run, which passes through the whole admission chain and stores nothing. The API
 * server stores the other pods. All pods name a scheduler that does not exist, so they never run.
 */
import { ApiException } from '@kubernetes/client-node';
import { requestingPod } from './chart.ts';
import { refusalText, sidecarOf, type TestCluster } from './cluster.ts';

export interface Admissions {
  /** Number of pods admitted with a sidecar. */
  readonly admitted: number;
  /** Number of admitted pods that were stored. */
  readonly created: number;
  /**
   * One string for each pod that was rejected, or admitted without a sidecar. The string contains the time, the
   * duration of the call and the message. The list contains at most 100 strings.
   */
  readonly failures: readonly string[];
  /** Strings of the same form for other errors, such as a missing response of the API server. */
  readonly unreachable: readonly string[];
}

const CALLERS = 2;
const PAUSE_MS = 40;
/** The API server stores one of this many pods. The module creates the other pods in a dry run. */
const REAL_EVERY = 25;
const MAX_TEXTS = 100;
/** Status codes of rejections: a webhook returns 403, and an admission policy returns 422. */
const REJECTION_CODES = [403, 422];

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
    const { metadata, spec } = requestingPod('load');
    const { annotations } = metadata;
    const unscheduled = {
      metadata: { generateName: 'load-', annotations },
      spec: { ...spec, schedulerName: 'absent' },
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
      if (error instanceof ApiException && REJECTION_CODES.includes(error.code)) {
        note(this.#failures, startMs, refusalText(error));
      } else {
        note(this.#unreachable, startMs, String(error));
      }
    }
  }
}

/**
 * Records a message and the duration of the call. The duration distinguishes a refused connection (milliseconds) from a
 * timeout (`webhook.timeoutSeconds`).
 */
function note(texts: string[], startMs: number, text: string): void {
  if (texts.length < MAX_TEXTS) {
    const tookMs = Math.round(performance.now() - startMs);
    texts.push(`${new Date().toISOString()} after ${tookMs} ms: ${text}`);
  }
}
