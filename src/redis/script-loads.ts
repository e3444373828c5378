/**
 * Loads scripts that a node lacks. Callers that need the same script at the same time share one load.
 *
 *   1. While a script is being loaded, all callers that need it wait for that load.
 *   2. A command that was sent before the last load ended does not cause another load, because the script is now
 *      present.
 *   3. The number of remembered loads is bounded. When the bound is reached, all of them are forgotten, and some
 *      scripts may be loaded again unnecessarily.
 */
import type { Script } from './lua-script.ts';

const MAX_SCRIPTS = 1_000;

export class ScriptLoads {
  readonly #loading = new Map<string, Promise<void>>();
  readonly #loadedAtMs = new Map<string, number>();

  /**
   * Waits for a load of the script, or resolves at once if a load has ended since `sentAtMs`, the time at which the
   * refused command was sent. Rejects if `load`, which sends SCRIPT LOAD, rejects.
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
