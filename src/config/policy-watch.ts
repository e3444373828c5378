/**
 * Keeps the current policies: reads the policy file at start, polls the file every second, and replaces the policies
 * when the file changes.
 *
 * The watcher polls the content, because file events can be lost: Kubernetes updates a mounted ConfigMap by renaming a
 * link, and editors rename a new file over the old file. Reading at most 1 MiB per second has no measurable cost. The
 * watcher loads a changed file once two consecutive reads have returned the same content. A file that is written in
 * place is empty or truncated for a short time.
 *
 * Invariants:
 *   1. If the file is invalid or missing, the current policies stay active. The watcher logs all errors once for each
 *      content of the file.
 *   2. `current()` returns the same object until a reload, so that callers can cache what they compile from the object.
 *   3. A reload does not delay calls, because a worker thread parses the file (policy-parse.ts).
 *   4. If the worker fails, the watcher parses the file again after 5 to 10 s, and then at growing intervals of at most
 *      an hour. The cause, such as too little memory, may disappear without a change to the file.
 *   5. A reload removes the last policy only if the file contains `policies: {}`. The watcher logs the names of removed
 *      policies.
 */
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { backoffMs } from '../lib/backoff.ts';
import type { Logger } from '../lib/logger.ts';
import { readFailureCode } from '../lib/system-code.ts';
import { type PolicyFileResult, parsePolicyFile } from './policies.ts';
import { DEFAULT_POLICY_FILE, type PolicyFile, type PolicySource } from './policy-file.ts';
import { type PolicyParse, startPolicyParse } from './policy-parse.ts';
import type { YamlProblem } from './yaml-reader.ts';

export interface PolicyWatchOptions {
  readonly path: string;
  /** Whether the file may be missing at start. Until the file exists, the sidecar has no policies. */
  readonly isOptional?: boolean;
  readonly log: Logger;
  /** Called after every attempt to reload, with the outcome and the current policies. */
  readonly onReload: (outcome: 'reloaded' | 'refused', file: PolicyFile) => void;
  readonly intervalMs?: number;
  /** Default: `startPolicyParse`. */
  readonly startParse?: (text: string) => PolicyParse;
  readonly parseRetry?: { readonly firstMs: number; readonly maxMs: number };
}

export type PolicyWatchResult = { readonly watch: PolicyWatch } | { readonly problems: readonly YamlProblem[] };

const INTERVAL_MS = 1_000;
const PARSE_RETRY = { firstMs: 10_000, maxMs: 3_600_000 };
/** Maximum number of policy names in a log line. */
const MAX_NAMES_LOGGED = 20;

/** Source that returns the defaults, for a sidecar without a policy file. */
export const defaultPolicySource: PolicySource = { current: () => DEFAULT_POLICY_FILE };

/**
 * Reads the file and starts to watch the file, or returns the errors in the file. Throws if the file cannot be read,
 * unless an optional file is missing.
 */
export function watchPolicyFile(options: PolicyWatchOptions): PolicyWatchResult {
  if (options.isOptional === true && !existsSync(options.path)) {
    return { watch: new PolicyWatch(options, undefined, DEFAULT_POLICY_FILE) };
  }
  const text = readFileSync(options.path, 'utf8');
  const result = parsePolicyFile(text);
  return 'problems' in result ? result : { watch: new PolicyWatch(options, text, result.file) };
}

export class PolicyWatch implements PolicySource {
  readonly #options: PolicyWatchOptions;
  readonly #timer: NodeJS.Timeout;
  /**
   * Content that the watcher last loaded or rejected; `text` is undefined if the read failed. If the field itself is
   * undefined, the watcher treats the next content as changed.
   */
  #seen: { readonly text: string | undefined } | undefined;
  /** Changed content of the last read. The watcher loads this content if the next read returns the same content. */
  #next: { readonly text: string | undefined } | undefined;
  #file: PolicyFile;
  #isChecking = false;
  #isClosed = false;
  #parse: PolicyParse | undefined;
  /** Number of consecutive failures of the worker, and the time of the next attempt. */
  #parseFailures = 0;
  #parseAgainAtMs = Number.POSITIVE_INFINITY;

  constructor(options: PolicyWatchOptions, text: string | undefined, file: PolicyFile) {
    this.#options = options;
    this.#seen = { text };
    this.#file = file;
    this.#timer = setInterval(() => void this.check(), options.intervalMs ?? INTERVAL_MS);
    this.#timer.unref();
  }

  current(): PolicyFile {
    return this.#file;
  }

  /** Whether a changed file is being parsed. */
  get isParsing(): boolean {
    return this.#parse !== undefined;
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#parse?.cancel();
  }

  /**
   * Reads the file once, and loads changed content if the previous read returned the same content. A timer calls this
   * method every second.
   */
  async check(): Promise<void> {
    if (this.#isChecking) {
      return;
    }
    this.#isChecking = true;
    try {
      let code = '';
      const text = await readFile(this.#options.path, 'utf8').catch((error: unknown) => {
        code = readFailureCode(error);
        return undefined;
      });
      if (performance.now() >= this.#parseAgainAtMs) {
        this.#seen = undefined;
      }
      if (this.#seen !== undefined && text === this.#seen.text) {
        this.#next = undefined;
      } else if (this.#next === undefined || this.#next.text !== text) {
        this.#next = { text };
      } else {
        this.#next = undefined;
        this.#seen = { text };
        await this.#load(text, code);
      }
    } finally {
      this.#isChecking = false;
    }
  }

  async #load(text: string | undefined, code: string): Promise<void> {
    const { path, log } = this.#options;
    this.#parseAgainAtMs = Number.POSITIVE_INFINITY;
    if (text === undefined) {
      this.#refuse({ code }, 'cannot read the policy file, keeping the current policies');
      return;
    }
    let result: PolicyFileResult;
    try {
      this.#parse = (this.#options.startParse ?? startPolicyParse)(text);
      result = await this.#parse.result;
      this.#parseFailures = 0;
    } catch (error) {
      if (!this.#isClosed) {
        this.#parseFailed(error);
      }
      return;
    } finally {
      this.#parse = undefined;
    }
    if ('problems' in result) {
      this.#refuse({ problems: result.problems }, 'new policy file has errors, keeping the current policies');
      return;
    }
    const { policies } = result.file;
    const removed = [...this.#file.policies.keys()].filter((name) => !policies.has(name));
    if (policies.size === 0 && removed.length > 0 && !result.hasPolicies) {
      const remedy = 'write "policies: {}" to remove all policies';
      this.#refuse({ remedy }, 'new policy file has no policies, keeping the current policies');
      return;
    }
    this.#file = result.file;
    if (removed.length > 0) {
      const names = removed.slice(0, MAX_NAMES_LOGGED);
      log.warn({ path, removed: names, removedCount: removed.length }, 'policies removed, calls that name them fail');
    }
    log.info({ path, policies: policies.size }, 'policy file reloaded');
    this.#options.onReload('reloaded', this.#file);
  }

  #parseFailed(error: unknown): void {
    const retryMs = Math.round(backoffMs(this.#parseFailures, this.#options.parseRetry ?? PARSE_RETRY));
    this.#parseFailures += 1;
    this.#parseAgainAtMs = performance.now() + retryMs;
    const reason = error instanceof Error ? error.message : String(error);
    this.#refuse({ reason, retryMs }, 'cannot parse the policy file, keeping the current policies and retrying');
  }

  #refuse(fields: object, message: string): void {
    const { path, log, onReload } = this.#options;
    log.error({ path, ...fields }, message);
    onReload('refused', this.#file);
  }
}
