/**
 * Knows how old the cluster's kubelets are, for `native: auto`: the list of nodes, looked at now and then.
 *
 * Promises: pages are bounded, a list that cannot be had changes nothing that was known; before the first list kubelets are unknown, which
 * is taken as new enough. `hasLooked` says when nothing is to be waited for: after the first list, or after some that could not be had.
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

/** A new node is younger than the cluster, as a rule: nothing changes for the worse in minutes. */
const INTERVAL_MS = 300_000;
/** Who may not list nodes must not wait for them for ever. */
const FAILURES_WAITED_FOR = 3;
const BACKOFF: BackoffOptions = { firstMs: 500, maxMs: 30_000 };
const PAGE_SIZE = 500;
/** 20,000 nodes; the largest clusters have 15,000. */
const MAX_PAGES = 40;

export class KubeletVersions {
  readonly #options: KubeletVersionsOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #kubelets: Kubelets = { oldestMinor: undefined };
  #hasLooked = false;

  constructor(options: KubeletVersionsOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  current(): Kubelets {
    return this.#kubelets;
  }

  hasLooked(): boolean {
    return this.#hasLooked;
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
        this.#take(kubeletsOf(await this.#versions()));
        failures = 0;
        this.#hasLooked = true;
      } catch (error) {
        this.#options.log.warn({ err: error }, 'cannot list the nodes, what was known of their kubelets stays');
        restMs = backoffMs(failures, this.#options.backoff ?? BACKOFF);
        failures += 1;
        this.#hasLooked ||= failures >= FAILURES_WAITED_FOR;
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

  #take(kubelets: Kubelets): void {
    if (kubelets.oldestMinor !== this.#kubelets.oldestMinor) {
      const isNative = runsNativeSidecars(kubelets);
      this.#options.log.info({ oldestMinor: kubelets.oldestMinor, isNative }, 'the oldest kubelet was looked up');
    }
    this.#kubelets = kubelets;
  }
}
