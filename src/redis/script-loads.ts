/**
 * Scripts that one node lacks: each is loaded once, however many callers find that out at the same time.
 *
 *   1. While a script is being loaded everybody who lacks it there waits for that load.
 *   2. Who was refused for a command that was sent before the last load ended has nothing to load: the script is there by now.
 *   3. Scripts are bounded in number: beyond that it is forgotten when each was loaded, which costs a load too many.
 */
import type { Script } from './lua-script.ts';

const MAX_SCRIPTS = 1_000;

export class ScriptLoads {
  readonly #loading = new Map<string, Promise<void>>();
  readonly #loadedAtMs = new Map<string, number>();

  /**
   * Resolves when the script is there, as far as is known, for a command that was refused and had been sent at `sentAtMs`. Rejects as `load`
   * does, which sends SCRIPT LOAD.
   */
  async ensure(script: Script, sentAtMs: number, nowMs: () => number, load: () => Promise<unknown>): Promise<void> {
    const loadedAtMs = this.#loadedAtMs.get(script.sha1);
    if (loadedAtMs !== undefined && sentAtMs <= loadedAtMs) {
      return;
    }
    let loading = this.#loading.get(script.sha1);
    if (loading === undefined) {
      loading = this.#load(script, nowMs, load);
      this.#loading.set(script.sha1, loading);
    }
    await loading;
  }

  async #load(script: Script, nowMs: () => number, load: () => Promise<unknown>): Promise<void> {
    try {
      await load();
      if (this.#loadedAtMs.size >= MAX_SCRIPTS) {
        this.#loadedAtMs.clear();
      }
      this.#loadedAtMs.set(script.sha1, nowMs());
    } finally {
      this.#loading.delete(script.sha1);
    }
  }
}
