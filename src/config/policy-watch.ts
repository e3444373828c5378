/**
 * Keeps the current policies: reads the policy file at start, polls the file every second, and applies the file again
 * when it changes.
 *
 * The watcher polls the content, because file events can be lost: Kubernetes updates a mounted ConfigMap by renaming a
 * link, and editors rename a new file over the old file. Reading at most 1 MiB per second has no measurable cost. The
 * watcher loads a changed file once two consecutive reads have returned the same content. A file that is written in
 * place is empty or truncated for a short time.
 *
 * Invariants:
 *   1. Start and reload follow one rule (policy-merge.ts). Valid parts take effect, and a part with an error keeps its
 *      last valid version. Only the start of a file that is not optional differs: it fails, and returns all errors.
 *   2. If the file cannot be parsed or read, everything in effect stays in effect. The watcher logs the errors once for
 *      each content of the file, and `problems()` returns them until the content changes.
 *   3. `current()` returns the same object until a reload, so that callers can cache what they compile from the object.
 *      A policy whose version is kept stays the same object.
 *   4. A reload does not delay calls, because a worker thread parses the file (policy-parse.ts). The worker also parses
 *      an optional file at start, because a hostile file of 1 MiB would exhaust the heap of the main thread.
 *   5. If the worker fails, the watcher parses the file again after 5 to 10 s, and then at growing intervals of at most
 *      an hour. The cause, such as too little memory, may disappear without a change to the file. Until a parse
 *      succeeds, every part of a file that was never loaded has an error.
 *   6. Only a file without errors removes policies. It removes the last policy only if it contains `policies: {}`. The
 *      watcher logs the names of removed policies.
 *   7. An optional file may be missing, and then has no errors. If its directory is a mounted ConfigMap with other keys,
 *      the missing key is an error of the file.
 */
import { backoffMs } from '../lib/backoff.ts';
import type { Logger } from '../lib/logger.ts';
import { type PolicyFileResult, parsePolicyFile, policyProblemText, unreadablePolicyText } from './policies.ts';
import {
  isSameContent,
  missingKeyText,
  type PolicyContent,
  readPolicyContent,
  readPolicyContentSync,
} from './policy-content.ts';
import {
  DEFAULT_POLICY_FILE,
  NO_PROBLEMS,
  type PolicyFile,
  type PolicyFileProblems,
  type PolicySource,
} from './policy-file.ts';
import { keylessParts, locateParts, mergeParts, problemsOf, unusableParts } from './policy-merge.ts';
import { isSmallText, type PolicyParse, startPolicyParse } from './policy-parse.ts';
import type { YamlProblem } from './yaml-reader.ts';

export interface PolicyWatchOptions {
  readonly path: string;
  /**
   * Whether the file may be missing or may have errors at start. Until the file exists, the sidecar has no policies.
   */
  readonly isOptional?: boolean;
  readonly log: Logger;
  /**
   * Called after every attempt to reload, with the outcome and the current policies. The outcome is `refused` if any part
   * of the file did not take effect.
   */
  readonly onReload: (outcome: 'reloaded' | 'refused', file: PolicyFile) => void;
  readonly intervalMs?: number;
  /** Default: `startPolicyParse`. */
  readonly startParse?: (text: string) => PolicyParse;
  readonly parseRetry?: { readonly firstMs: number; readonly maxMs: number };
}

/** `problems` contains all errors in a file that is not optional. */
export type PolicyWatchResult = { readonly watch: PolicyWatch } | { readonly problems: readonly YamlProblem[] };

const INTERVAL_MS = 1_000;
const PARSE_RETRY = { firstMs: 10_000, maxMs: 3_600_000 };
/** Maximum number of policy names in a log line. */
const MAX_NAMES_LOGGED = 20;
/** Maximum number of errors in a log line. */
const MAX_ERRORS_LOGGED = 20;

/** Source that returns the defaults, for a sidecar without a policy file. */
export const defaultPolicySource: PolicySource = { current: () => DEFAULT_POLICY_FILE };

/**
 * Reads the file and starts to watch the file, or returns the errors in a file that is not optional. Throws an error
 * with a complete message if such a file cannot be read.
 */
export function watchPolicyFile(options: PolicyWatchOptions): PolicyWatchResult {
  const content = readPolicyContentSync(options.path);
  if (options.isOptional === true) {
    return { watch: new PolicyWatch(options, content) };
  }
  if (content.kind !== 'text') {
    throw new Error(unreadablePolicyText(options.path, content));
  }
  const result = parsePolicyFile(content.text);
  return 'problems' in result ? { problems: result.problems } : { watch: new PolicyWatch(options, content, result) };
}

export class PolicyWatch implements PolicySource {
  readonly #options: PolicyWatchOptions;
  readonly #timer: NodeJS.Timeout;
  /** Content that the watcher last applied. If it is undefined, the watcher treats the next content as changed. */
  #seen: PolicyContent | undefined;
  /** Changed content of the last read. The watcher applies this content if the next read returns the same content. */
  #next: PolicyContent | undefined;
  #file: PolicyFile = DEFAULT_POLICY_FILE;
  #problems: PolicyFileProblems = NO_PROBLEMS;
  /** Whether any part of `#file` comes from a file, so that `#file` has versions to keep. */
  #isLoaded = false;
  #isChecking = false;
  #isClosed = false;
  #parse: PolicyParse | undefined;
  /** Number of consecutive failures of the worker, and the time of the next attempt. */
  #parseFailures = 0;
  #parseAgainAtMs = Number.POSITIVE_INFINITY;
  /** Settles once the content at start is parsed. */
  readonly #firstParse: Promise<void> = Promise.resolve();
  #isStarting = false;

  /** Applies the content at start. `result` is the result of parsing the content, if it is known. */
  constructor(options: PolicyWatchOptions, content: PolicyContent, result?: PolicyFileResult) {
    this.#options = options;
    this.#seen = content;
    if (content.kind !== 'text') {
      this.#applyMissing(content);
    } else if (result !== undefined || isSmallText(content.text)) {
      this.#applyResult(result ?? parsePolicyFile(content.text));
    } else {
      this.#firstParse = this.#parseFirst(content.text);
    }
    this.#timer = setInterval(() => void this.check(), options.intervalMs ?? INTERVAL_MS);
    this.#timer.unref();
  }

  current(): PolicyFile {
    return this.#file;
  }

  problems(): PolicyFileProblems {
    return this.#problems;
  }

  /**
   * Waits until the content at start is parsed, or until the time is over. A parse that takes longer continues, and its
   * result is a reload. Until then, every part of the file has an error.
   */
  async waitForStart(maxMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    // The timer also keeps the process alive, because the worker does not.
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, maxMs);
    });
    await Promise.race([this.#firstParse, timeout]);
    clearTimeout(timer);
    this.#isStarting = false;
  }

  /** Whether the file is being parsed. */
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
      const content = await readPolicyContent(this.#options.path);
      if (performance.now() >= this.#parseAgainAtMs) {
        this.#seen = undefined;
      }
      if (this.#seen !== undefined && isSameContent(content, this.#seen)) {
        this.#next = undefined;
      } else if (this.#next === undefined || !isSameContent(content, this.#next)) {
        this.#next = content;
      } else {
        this.#next = undefined;
        this.#seen = content;
        await this.#load(content);
      }
    } finally {
      this.#isChecking = false;
    }
  }

  async #load(content: PolicyContent): Promise<void> {
    const { onReload } = this.#options;
    this.#parseAgainAtMs = Number.POSITIVE_INFINITY;
    if (content.kind !== 'text') {
      const isRefused = this.#applyMissing(content);
      if (isRefused) {
        onReload('refused', this.#file);
      }
      return;
    }
    const outcome = await this.#parseAndApply(content.text);
    if (outcome !== undefined) {
      onReload(outcome, this.#file);
    }
  }

  async #parseFirst(text: string): Promise<void> {
    const { path, onReload } = this.#options;
    const cause = `cannot use the policy file ${path} yet: the sidecar is parsing it; retry in some seconds`;
    this.#keepWith(unusableParts(cause));
    this.#problems = { count: 1, texts: [cause] };
    this.#isStarting = true;
    this.#isChecking = true;
    const outcome = await this.#parseAndApply(text).finally(() => {
      this.#isChecking = false;
    });
    if (!this.#isStarting && outcome !== undefined) {
      onReload(outcome, this.#file);
    }
  }

  /** Parses a text in a worker. Returns undefined if the watcher was closed meanwhile. */
  async #parseAndApply(text: string): Promise<'reloaded' | 'refused' | undefined> {
    let result: PolicyFileResult;
    try {
      this.#parse = (this.#options.startParse ?? startPolicyParse)(text);
      result = await this.#parse.result;
      this.#parseFailures = 0;
    } catch (error) {
      if (this.#isClosed) {
        return undefined;
      }
      this.#parseFailed(error);
      return 'refused';
    } finally {
      this.#parse = undefined;
    }
    return this.#applyResult(result, !this.#isStarting);
  }

  /** Applies the result of parsing the file, and logs it. Returns `refused` if any part does not take effect. */
  #applyResult(result: PolicyFileResult, isReload = false): 'reloaded' | 'refused' {
    const { path, log } = this.#options;
    if ('problems' in result) {
      this.#applyErrors(result);
      return 'refused';
    }
    const { policies } = result.file;
    const removed = [...this.#file.policies.keys()].filter((name) => !policies.has(name));
    if (policies.size === 0 && removed.length > 0 && !result.hasPolicies) {
      const remedy = 'write "policies: {}" to remove all policies';
      const cause = `${path}: the new file has no policies; ${remedy}`;
      this.#refuse({ path, remedy }, cause, 'new policy file has no policies, keeping the current policies');
      return 'refused';
    }
    this.#file = result.file;
    this.#problems = NO_PROBLEMS;
    this.#isLoaded = true;
    if (removed.length > 0) {
      const names = removed.slice(0, MAX_NAMES_LOGGED);
      log.warn({ path, removed: names, removedCount: removed.length }, 'policies removed, calls that name them fail');
    }
    if (isReload) {
      log.info({ path, policies: policies.size }, 'policy file reloaded');
    }
    return 'reloaded';
  }

  #applyErrors({ problems, parts }: Extract<PolicyFileResult, { problems: unknown }>): void {
    const { path, log } = this.#options;
    const texts = problems.map((problem) => policyProblemText(path, problem));
    const fields = { path, errors: texts.slice(0, MAX_ERRORS_LOGGED), errorCount: texts.length };
    if (parts === undefined) {
      this.#keepWith(unusableParts(texts[0] ?? ''));
      this.#problems = { count: 1, texts };
      log.error(
        fields,
        this.#isLoaded
          ? 'new policy file has errors, keeping the current policies'
          : 'policy file has errors, calls that name a policy fail',
      );
      return;
    }
    const located = locateParts(path, parts);
    this.#keepWith(located);
    this.#problems = problemsOf(located.broken, texts);
    this.#isLoaded = true;
    log.error({ ...fields, policies: this.#file.policies.size }, 'policy file has errors, its valid parts take effect');
  }

  /** Applies the result of reading a file that is missing or unreadable. Returns whether this is an error. */
  #applyMissing(content: Exclude<PolicyContent, { kind: 'text' }>): boolean {
    const { path, log } = this.#options;
    const { code } = content;
    const isSilent = content.kind === 'absent' && !this.#isLoaded;
    if (isSilent) {
      this.#file = DEFAULT_POLICY_FILE;
      this.#problems = NO_PROBLEMS;
      return false;
    }
    if (content.kind === 'other_keys' && !this.#isLoaded) {
      const cause = missingKeyText(path, content);
      this.#file = mergeParts(undefined, keylessParts(cause));
      this.#problems = { count: 1, texts: [cause] };
      const { key, found } = content;
      log.warn({ path, key, found }, 'the ConfigMap has no key with the policy file, calls that name a policy fail');
      return true;
    }
    const cause = content.kind === 'other_keys' ? missingKeyText(path, content) : unreadablePolicyText(path, content);
    const found = content.kind === 'other_keys' ? { key: content.key, found: content.found } : {};
    if (!this.#isLoaded) {
      this.#file = mergeParts(undefined, unusableParts(cause));
      this.#problems = { count: 1, texts: [cause] };
      log.error({ path, code }, 'cannot read the policy file, calls that name a policy fail');
      return true;
    }
    this.#refuse({ path, code, ...found }, cause, 'cannot read the policy file, keeping the current policies');
    return true;
  }

  /** Keeps everything in effect that `parts` does not replace. */
  #keepWith(parts: Parameters<typeof mergeParts>[1]): void {
    this.#file = mergeParts(this.#isLoaded ? this.#file : undefined, parts);
  }

  #parseFailed(error: unknown): void {
    const { path } = this.#options;
    const retryMs = Math.round(backoffMs(this.#parseFailures, this.#options.parseRetry ?? PARSE_RETRY));
    this.#parseFailures += 1;
    this.#parseAgainAtMs = performance.now() + retryMs;
    const reason = error instanceof Error ? error.message : String(error);
    const cause = `cannot parse the policy file ${path}: ${reason}; the sidecar retries`;
    if (!this.#isLoaded) {
      this.#keepWith(unusableParts(cause));
    }
    const message = this.#isLoaded
      ? 'cannot parse the policy file, keeping the current policies and retrying'
      : 'cannot parse the policy file, calls that name a policy fail, retrying';
    this.#refuse({ path, reason, retryMs }, cause, message);
  }

  #refuse(fields: object, cause: string, message: string): void {
    this.#problems = { count: 1, texts: [cause] };
    this.#options.log.error(fields, message);
  }
}
