/**
 * Pods that ask for a sidecar, created all along while something happens to the injector; and what became of each.
 *
 * Most are dry runs, which go the whole way through admission and leave nothing behind; some are created for good, for a scheduler that
 * does not exist.
 */
import { ApiException } from '@kubernetes/client-node';
import { askingPod } from './kubernetes-chart.ts';
import { refusalText, sidecarOf, type TestCluster } from './kubernetes-cluster.ts';

export interface Admissions {
  /** Admitted with a sidecar. */
  readonly admitted: number;
  /** Created for good, of those. */
  readonly created: number;
  /** Refused, or admitted without one: each with its time and text, the first hundred. */
  readonly failures: readonly string[];
  /** The API server itself did not answer. */
  readonly unreachable: number;
}

const CALLERS = 2;
const PAUSE_MS = 40;
/** Every so many is created for good. */
const REAL_EVERY = 25;
const FAILURES_MAX = 100;
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
  #unreachable = 0;
  readonly #failures: string[] = [];

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
    const pod = askingPod(`load-${number}`);
    const unscheduled = { ...pod, spec: { ...pod.spec, schedulerName: 'nobody' } };
    try {
      const made = await this.#cluster.createPod(this.#namespace, unscheduled, { dryRun: !isReal });
      if (sidecarOf(made) === undefined) {
        this.#fail('admitted without a sidecar');
        return;
      }
      this.#admitted += 1;
      this.#created += isReal ? 1 : 0;
    } catch (error) {
      if (error instanceof ApiException && REFUSED.includes(error.code)) {
        this.#fail(refusalText(error));
      } else {
        this.#unreachable += 1;
      }
    }
  }

  #fail(text: string): void {
    if (this.#failures.length < FAILURES_MAX) {
      this.#failures.push(`${new Date().toISOString()} ${text}`);
    }
  }
}
