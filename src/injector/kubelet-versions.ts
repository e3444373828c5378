/**
 * Polls the nodes for the oldest kubelet version in the cluster, which determines whether sidecars are native with
 * `native: auto`.
 *
 * Invariants:
 *   1. One poll reads at most `MAX_PAGES` pages.
 *   2. A failed poll keeps the last known version. Before the first successful poll, the version is unknown, and the
 *      injector assumes that it is new enough.
 *   3. `isInitialized` returns true after the first successful poll, or after `MAX_INITIAL_FAILURES` consecutive
 *      failures.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { CoreV1Api } from '@kubernetes/client-node';
import { type Kubelets, kubeletsOf, runsNativeSidecars } from '../injection/kubelets.ts';
import { type BackoffOptions, backoffMs } from '../lib/backoff.ts';
import type { Logger } from '../lib/logger.ts';

export interface KubeletVersionsOptions {
  readonly core: Pick<CoreV1Api, 'listNode'>;
  readonly log: Logger;
  readonly intervalMs?: number;
  readonly backoff?: BackoffOptions;
}

/**
 * Poll interval. The interval is long, because a node that joins the cluster rarely has an older kubelet than the other
 * nodes.
 */
const INTERVAL_MS = 300_000;
/**
 * Number of failures after which the injector is ready without a version, because its service account may not be
 * allowed to list nodes.
 */
const MAX_INITIAL_FAILURES = 3;
const BACKOFF: BackoffOptions = { firstMs: 500, maxMs: 30_000 };
const PAGE_SIZE = 500;
/** Maximum number of pages, which is enough for 20,000 nodes. The largest clusters have 15,000 nodes. */
const MAX_PAGES = 40;

export class KubeletVersions {
  readonly #options: KubeletVersionsOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #kubelets: Kubelets = { oldestMinor: undefined };
  #isInitialized = false;

  constructor(options: KubeletVersionsOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  current(): Kubelets {
    return this.#kubelets;
  }

  isInitialized(): boolean {
    return this.#isInitialized;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let failures = 0;
    while (!signal.aborted) {
      let restMs = this.#options.intervalMs ?? INTERVAL_MS;
      try {
        this.#update(kubeletsOf(await this.#versions()));
        failures = 0;
        this.#isInitialized = true;
      } catch (error) {
        this.#options.log.warn({ err: error }, 'cannot list the nodes, keeping the known kubelet versions');
        restMs = backoffMs(failures, this.#options.backoff ?? BACKOFF);
        failures += 1;
        this.#isInitialized ||= failures >= MAX_INITIAL_FAILURES;
      }
      await wait(restMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #versions(): Promise<string[]> {
    const versions: string[] = [];
    let next: string | undefined;
    for (let page = 0; page < MAX_PAGES && !this.#stop.signal.aborted; page += 1) {
      const list = await this.#options.core.listNode({ limit: PAGE_SIZE, ...(next ? { _continue: next } : {}) });
      versions.push(...list.items.map((node) => node.status?.nodeInfo?.kubeletVersion ?? ''));
      next = list.metadata?._continue;
      if (!next) {
        break;
      }
    }
    return versions;
  }

  #update(kubelets: Kubelets): void {
    if (kubelets.oldestMinor !== this.#kubelets.oldestMinor) {
      const isNative = runsNativeSidecars(kubelets);
      this.#options.log.info({ oldestMinor: kubelets.oldestMinor, isNative }, 'oldest kubelet version changed');
    }
    this.#kubelets = kubelets;
  }
}
