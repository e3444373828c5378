/**
 * Stands between the stores of a role and their Redis, and stops all calls of the role if the stored data has a format that this release
 * must not touch.
 *
 *   1. The version key is read whenever a connection has changed (every connect is among these), at most every 100 ms; every 5 s
 *      while the format is refused or the key cannot be read; and once per hour.
 *   2. While the key could not be read yet, and after it could not be read again, calls go on as before.
 *   3. While the format is refused, no command of a store is sent: calls end as StoredFormatError. That ends by itself once the key changes.
 *   4. One check runs at a time, each with a deadline; nothing here throws or ends before `close`.
 *   5. The key outlives sessions, cached values and windows of limits: its TTL is longer than theirs, and each check renews it.
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
  /** `state` or `cache`. */
  readonly role: string;
  readonly key: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly release?: ReleaseFormats;
  /** For tests: how long it takes until a check is repeated, in place of RECHECK_MS. */
  readonly recheckMs?: number;
}

/** Reconnecting backs off by itself; this bounds what many connections at once cause. */
const APART_MS = 100;
const RECHECK_MS = 5_000;
const RENEWAL_MS = 3_600_000;
const CHECK_TIMEOUT_MS = 1_000;
/** Longer than any window of a limit needs (two of 400 days). A bucket may take longer to drain; its layout byte protects it by itself. */
const KEY_TTL_MS = 1_000 * 86_400_000;
/** Other sidecars may write the key between our read and our write; each time it has grown. */
const MAX_ATTEMPTS = 4;
/** `#reportFailure` says what is missing. */
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

  /** Whether Redis has said what the key holds, or that we may not read it. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** Why all calls of the role are refused; undefined while they are not. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** The format that the version key held last; undefined while it is not known or refused. */
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

  /** A connection was made or lost: who answers now may hold other data. */
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

  /** The earlier of two due times holds. */
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
    // Jittered, so that the sidecars of a fleet do not ask in step.
    this.#schedule((isSettled ? RENEWAL_MS : this.#recheckMs) * (0.75 + Math.random() / 4));
  }

  /** Whether the key was read, accepted and written. */
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
      log.error({ role, detail }, 'stored data has a format that this release must not touch, refusing all calls');
    }
  }

  #setAccepted(format: number): void {
    const { role, log } = this.#options;
    this.#format = format;
    if (this.#refusal !== undefined) {
      this.#refusal = undefined;
      log.info({ role, format }, 'stored data has a format that this release reads, serving again');
    }
  }

  /** What an operator must end is logged once per code; a Redis that is away or refuses writes is reported elsewhere. */
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
      log.warn({ role, code, detail: error.message }, 'cannot check the format of the stored data, serving without it');
    }
  }
}

function textOf(reply: RedisReply): string | undefined {
  return reply === null ? undefined : asText(reply);
}
