/**
 * Keeps the policy file that is in force: read at start, looked at every second, replaced whole by a good file and by nothing else.
 *
 * It reads the content and compares it, rather than trust file events: Kubernetes swaps a mounted ConfigMap by renaming a link,
 * editors rename over the file, and events of either get lost. A read of at most 1 MiB a second costs nothing that could be measured.
 * What two looks in a row read alike counts: a file that is written in place is empty or cut for a moment, and would be a good one.
 *
 * Promises:
 *   1. A bad or vanished file at a reload is told once per content, with every mistake, and the file in force stays.
 *   2. `current()` is the same object until a reload, so that what is compiled from it can be kept with it.
 *   3. A reload does not hold up calls: a thread of its own parses the file (policy-parse.ts).
 *   4. A file whose thread fails is parsed again after 5 to 10 s, then less and less often, down to once an hour: the cause, such as full
 *      memory, may pass without a change of the file.
 *   5. A reload takes out the last policy only if the file says `policies: {}`. The names that a reload takes out are logged.
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
  /** The file may be missing at start: then no policies are in force until it comes. */
  readonly isOptional?: boolean;
  readonly log: Logger;
  /** Hears of every reload and of its outcome. */
  readonly onReload: (outcome: 'reloaded' | 'refused', file: PolicyFile) => void;
  readonly intervalMs?: number;
  /** By default `startPolicyParse`. */
  readonly startParse?: (text: string) => PolicyParse;
  readonly parseRetry?: { readonly firstMs: number; readonly maxMs: number };
}

export type PolicyWatchResult = { readonly watch: PolicyWatch } | { readonly problems: readonly YamlProblem[] };

const INTERVAL_MS = 1_000;
const PARSE_RETRY = { firstMs: 10_000, maxMs: 3_600_000 };
/** Names in a line of the log. */
const MAX_NAMES_LOGGED = 20;

/** What is in force without a file. */
export const defaultPolicySource: PolicySource = { current: () => DEFAULT_POLICY_FILE };

/**
 * Reads the file now: with mistakes in it there is nothing to begin with. Throws when it cannot be read at all, unless it may
 * be missing and is.
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
  /** What was taken or refused last, its text undefined if it could not be read. Undefined: whatever is there is to be taken. */
  #seen: { readonly text: string | undefined } | undefined;
  /** What the last look read that differs from it. */
  #next: { readonly text: string | undefined } | undefined;
  #file: PolicyFile;
  #isLooking = false;
  #isClosed = false;
  #parse: PolicyParse | undefined;
  /** How often in a row the thread of a parse has failed, and when the file is parsed again. */
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

  /** What the timer does: reads the file once. */
  async check(): Promise<void> {
    if (this.#isLooking) {
      return;
    }
    this.#isLooking = true;
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
        await this.#take(text, code);
      }
    } finally {
      this.#isLooking = false;
    }
  }

  async #take(text: string | undefined, code: string): Promise<void> {
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
    log.info({ path, policies: policies.size }, 'policies reloaded');
    this.#options.onReload('reloaded', this.#file);
  }

  #parseFailed(error: unknown): void {
    const retryMs = Math.round(backoffMs(this.#parseFailures, this.#options.parseRetry ?? PARSE_RETRY));
    this.#parseFailures += 1;
    this.#parseAgainAtMs = performance.now() + retryMs;
    const reason = error instanceof Error ? error.message : String(error);
    this.#refuse({ reason, retryMs }, 'cannot parse the policy file, keeping the current policies and trying again');
  }

  #refuse(fields: object, message: string): void {
    const { path, log, onReload } = this.#options;
    log.error({ path, ...fields }, message);
    onReload('refused', this.#file);
  }
}
