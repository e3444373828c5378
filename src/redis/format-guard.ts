/**
 * Wraps the Redis commands of a role and rejects all of them if the stored data has a format that this release does not
 * support.
 *
 *   1. The guard reads the version key (format-version.ts) after a connection is made or lost, at most once every 100
 *      ms. In addition, the guard reads the key every 5 s while the format is rejected or the key cannot be read, and
 *      otherwise once per hour.
 *   2. Calls are served before the first read of the key, and while the key cannot be read.
 *   3. While the format is rejected, the guard sends no command of a store. Calls fail with StoredFormatError until the
 *      key changes.
 *   4. Only one check runs at a time, and each check has a deadline. A check never throws. Checks are repeated until
 *      `close` is called.
 *   5. The version key outlives sessions, cached values and limit windows, because the TTL of the key is longer. Each
 *      successful check renews this TTL.
 */
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { StoredFormatError, StoreError } from '../lib/store-error.ts';
import type { CommandOptions, RedisArgument, RedisCommands, RedisReply } from './commands.ts';
import { judgeFormat, RELEASE_FORMATS, type ReleaseFormats } from './format-version.ts';
import { loadScript, type Script } from './lua-script.ts';
import { asText } from './script-reply.ts';

export interface FormatGuardOptions {
  readonly commands: RedisCommands;
  /** Role of the deployment, `state` or `cache`. */
  readonly role: string;
  readonly key: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly release?: ReleaseFormats;
  /** Interval of repeated checks, which replaces RECHECK_MS in tests. */
  readonly recheckMs?: number;
}

/**
 * Minimum interval, in ms, between checks after connection changes. Each connection has a backoff for its own
 * reconnects, but many connections may change at once.
 */
const APART_MS = 100;
const RECHECK_MS = 5_000;
const RENEWAL_MS = 3_600_000;
const CHECK_TIMEOUT_MS = 1_000;
/**
 * TTL of the version key in ms. The TTL is longer than two limit windows of 400 days each. A bucket may take longer to
 * drain, but the layout byte in the value of a bucket also identifies its format.
 */
const KEY_TTL_MS = 1_000 * 86_400_000;
/**
 * Maximum number of attempts to write the key. Other sidecars may write the key between our read and our write, but
 * each write increases the value, so a few attempts are enough.
 */
const MAX_ATTEMPTS = 4;
/**
 * Options for the commands of this module. If the Redis user lacks the permission for one of these commands,
 * `#reportFailure` reports the missing permission.
 */
const OPTIONAL: CommandOptions = { isPermissionOptional: true };

export class FormatGuard implements RedisCommands {
  readonly #options: FormatGuardOptions;
  readonly #release: ReleaseFormats;
  readonly #recheckMs: number;
  readonly #writeScript = loadScript('write-format', ['src/redis/scripts/write-format.lua'], 'write_in_place', {
    keyTypes: [],
  });
  #refusal: string | undefined;
  #format: number | undefined;
  #warnedCode: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #lastMs = Number.NEGATIVE_INFINITY;
  #isChecking = false;
  #hasAnswered = false;
  #isClosed = false;

  constructor(options: FormatGuardOptions) {
    this.#options = options;
    this.#release = options.release ?? RELEASE_FORMATS;
    this.#recheckMs = options.recheckMs ?? RECHECK_MS;
  }

  /** Whether Redis has returned the value of the version key, or has refused a check as forbidden. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** Reason why all calls of the role are rejected; undefined if calls are served. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Last format found in the version key; undefined while the format is unknown or rejected. */
  get format(): number | undefined {
    return this.#format;
  }

  run(
    script: Script,
    keys: readonly RedisArgument[],
    args: readonly RedisArgument[],
    deadlineAtMs: number,
    options?: CommandOptions,
  ): Promise<RedisReply> {
    return this.#refusal === undefined
      ? this.#options.commands.run(script, keys, args, deadlineAtMs, options)
      : this.#refuse(this.#refusal);
  }

  send(
    key: RedisArgument,
    command: readonly RedisArgument[],
    deadlineAtMs: number,
    options?: CommandOptions,
  ): Promise<RedisReply> {
    return this.#refusal === undefined
      ? this.#options.commands.send(key, command, deadlineAtMs, options)
      : this.#refuse(this.#refusal);
  }

  /**
   * Schedules a check after a connection change, because the data of the current server may differ from the data of the
   * previous server.
   */
  onConnectionChange(): void {
    this.#schedule(Math.max(0, this.#lastMs + APART_MS - this.#options.clock.monotonicMs()));
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #refuse(detail: string): Promise<never> {
    return Promise.reject(new StoredFormatError(detail));
  }

  /** Schedules a check, unless a check is already scheduled for an earlier time. */
  #schedule(delayMs: number): void {
    const dueMs = this.#options.clock.monotonicMs() + delayMs;
    if (this.#isClosed || dueMs >= this.#dueMs) {
      return;
    }
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => void this.#check(), delayMs);
    this.#timer.unref();
  }

  async #check(): Promise<void> {
    this.#dueMs = Number.POSITIVE_INFINITY;
    if (this.#isChecking) {
      this.#schedule(APART_MS);
      return;
    }
    this.#isChecking = true;
    this.#lastMs = this.#options.clock.monotonicMs();
    const isSettled = await this.#readAndWrite();
    this.#isChecking = false;
    // Jitter prevents the sidecars of a fleet from checking at the same time.
    this.#schedule((isSettled ? RENEWAL_MS : this.#recheckMs) * (0.75 + Math.random() / 4));
  }

  /**
   * Reads the version key and, if its format is supported, writes the key. Returns whether the format is supported and
   * the write succeeded.
   */
  async #readAndWrite(): Promise<boolean> {
    const { commands, key, clock } = this.#options;
    const untilMs = clock.monotonicMs() + CHECK_TIMEOUT_MS;
    try {
      let stored = textOf(await commands.send(key, ['GET', key], untilMs, OPTIONAL));
      this.#hasAnswered = true;
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
        const judged = judgeFormat(stored, this.#release);
        if (judged.verdict === 'refused') {
          this.#setRefused(judged.detail);
          return false;
        }
        this.#setAccepted(Number(stored ?? judged.format));
        const args = [stored ?? '', String(judged.format), String(KEY_TTL_MS)];
        const found = textOf(await commands.run(this.#writeScript, [key], args, untilMs, OPTIONAL));
        if (found === String(judged.format)) {
          this.#setAccepted(judged.format);
          this.#warnedCode = undefined;
          return true;
        }
        stored = found === '' ? undefined : found;
      }
      return false;
    } catch (error) {
      this.#reportFailure(error);
      return false;
    }
  }

  #setRefused(detail: string): void {
    const { role, log } = this.#options;
    this.#format = undefined;
    if (this.#refusal !== detail) {
      this.#refusal = detail;
      log.error({ role, detail }, 'stored data has an unsupported format, rejecting all calls');
    }
  }

  #setAccepted(format: number): void {
    const { role, log } = this.#options;
    this.#format = format;
    if (this.#refusal !== undefined) {
      this.#refusal = undefined;
      log.info({ role, format }, 'stored data has a supported format, accepting calls again');
    }
  }

  /**
   * Logs a failure once per error code if an operator must act. Other modules report an unreachable Redis and refused
   * writes.
   */
  #reportFailure(error: unknown): void {
    const { role, log } = this.#options;
    if (!(error instanceof StoreError)) {
      log.error({ role, err: error }, 'cannot check the format of the stored data');
      return;
    }
    if (error.kind !== 'forbidden') {
      return;
    }
    this.#hasAnswered = true;
    const code = error.serverCode ?? error.kind;
    if (code !== this.#warnedCode) {
      this.#warnedCode = code;
      log.warn(
        { role, code, detail: error.message },
        'cannot check the format of the stored data, continuing without the check',
      );
    }
  }
}

function textOf(reply: RedisReply): string | undefined {
  return reply === null ? undefined : asText(reply);
}
