/**
 * Tracks the commands that the Redis of one role refuses, and logs two lines for each refusal: one when it begins and
 * one when it ends.
 *
 * A refusal is identified by its code (MISCONF, NOPERM ...). The subjects of a refusal are the refused commands or
 * scripts, each on one node.
 *
 *   1. A refusal is logged when its code first occurs, and not again until the refusal has ended. So 1,000 refused
 *      calls write one line. In addition, a detail that a background check found (a missing permission) is logged once.
 *   2. A refusal ends when each subject has succeeded or is on a node that is no longer used, and the code has not
 *      occurred for a certain time (the quiet time). The quiet time is 1 s, and doubles up to 60 s each time the code
 *      occurs again within 5 minutes of the end of the refusal. The success of another command does not end the
 *      refusal.
 *   3. Some codes describe a state of the whole server (ENDED_BY). A command that could not succeed in this state, but
 *      does succeed, removes all subjects on its node from the refusal.
 *   4. A subject that is unused for an hour is dropped, unless a background check found it.
 *   5. refusal-text.ts removes sensitive parts from the error messages of Redis. The numbers of codes, subjects and
 *      details are bounded.
 *   6. While there are no refusals, a successful command costs only a check of `isEmpty`.
 */
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { ScriptKind } from './lua-script.ts';
import { refusalText } from './refusal-text.ts';
import { DAMAGE_CODES, serverCodeOf, storeErrorOf } from './server-error.ts';

/** Subject names of refused connections for commands, for subscriptions, and to Sentinels. */
export const CONNECT = 'connect';
export const CONNECT_SUBSCRIBER = 'connect (subscriber)';
export const CONNECT_SENTINEL = 'connect (Sentinel)';

/** Command or script, by name, on a node (host:port). */
export interface RefusalSubject {
  readonly node: string;
  readonly command: string;
}

export interface Refusal extends RefusalSubject {
  /** Original text of the error reply. */
  readonly text: string;
}

/** Refusal that a background check found before a caller received it. */
export interface FoundRefusal extends RefusalSubject {
  readonly code: string;
  /** Description of the missing permissions, such as `the ACL user lacks +hset`. */
  readonly detail: string;
}

export interface Success extends RefusalSubject {
  /** Kind of the success; `other` is a login, or a command outside of scripts that is not a read. */
  readonly kind: ScriptKind | 'other';
}

export interface CurrentRefusal extends RefusalSubject {
  readonly code: string;
  /** Explanations of the code, and details that background checks found. */
  readonly details: readonly string[];
  /** Unix time at which the refusal began. */
  readonly sinceMs: number;
}

export interface RefusalLogOptions {
  readonly role: string;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Condition extends RefusalSubject {
  readonly code: string;
  readonly details: string[];
  readonly sinceMs: number;
  readonly quietMs: number;
  /**
   * Subjects that have not succeeded since their last refusal, with the time of that refusal. The time is infinite if a
   * background check found the refusal.
   */
  readonly subjects: Map<string, number>;
  /** Latest detail that a background check found for each subject. */
  readonly found: Map<string, string>;
  refusedCalls: number;
  lastAtMs: number;
  timer: NodeJS.Timeout | undefined;
}

const CONNECTS: ReadonlySet<string> = new Set([CONNECT, CONNECT_SUBSCRIBER, CONNECT_SENTINEL]);
const WRITES: ReadonlySet<string> = new Set(['write', 'write_in_place']);
const ANYTHING: ReadonlySet<string> = new Set(['read', 'write', 'write_in_place', 'other']);

/** Kinds of success that are impossible in the server state that a code describes. */
const ENDED_BY: Readonly<Record<string, ReadonlySet<string>>> = {
  MISCONF: WRITES,
  NOREPLICAS: WRITES,
  READONLY: WRITES,
  OOM: new Set(['write']),
  LOADING: ANYTHING,
  BUSY: ANYTHING,
  MASTERDOWN: ANYTHING,
};

const MAX_CODES = 32;
const OTHER_CODE = '(other)';
const MAX_SUBJECTS = 256;
const MAX_DETAILS = 16;
const FIRST_QUIET_MS = 1_000;
const MAX_QUIET_MS = 60_000;
/** Time after the end of a refusal within which the next refusal with the same code is treated as the same problem. */
const RETURN_MS = 300_000;
const UNUSED_MS = 3_600_000;

export class RefusalLog {
  readonly #options: RefusalLogOptions;
  readonly #current = new Map<string, Condition>();
  /** End time and quiet time of the last refusal with each code. The number of codes is bounded. */
  readonly #past = new Map<string, { readonly atMs: number; readonly quietMs: number }>();

  constructor(options: RefusalLogOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#current.size === 0;
  }

  /** Records a refusal that a caller received. */
  refused({ text, node, command }: Refusal): void {
    const code = serverCodeOf(text);
    const condition = this.#need({ code, node, command });
    condition.refusedCalls += 1;
    condition.lastAtMs = this.#nowMs();
    this.#note(condition, { node, command }, condition.lastAtMs);
    if (condition.refusedCalls === 1) {
      const reply = refusalText(text);
      const detail = storeErrorOf(new Error(text)).message;
      condition.details.push(detail);
      const { role, log } = this.#options;
      log.error({ role, code: condition.code, node, command, reply, detail }, beginningOf(condition));
    }
  }

  /**
   * Records a refusal that a background check found. A call of `succeeded` with the same node and command ends the
   * refusal.
   */
  found({ code, node, command, detail }: FoundRefusal): void {
    const condition = this.#need({ code, node, command });
    this.#note(condition, { node, command }, Number.POSITIVE_INFINITY);
    replaceDetail(condition, subjectOf({ node, command }), detail);
    if (!condition.details.includes(detail) && condition.details.length < MAX_DETAILS) {
      condition.details.push(detail);
      const { role, log } = this.#options;
      log.error({ role, code: condition.code, node, command, detail }, 'Redis user lacks permissions');
    }
  }

  succeeded({ node, command, kind }: Success): void {
    for (const condition of this.#current.values()) {
      if (ENDED_BY[condition.code]?.has(kind)) {
        this.#dropNode(condition, node);
      }
    }
    this.forget(node, command);
  }

  /** Removes all subjects on the node from the refusal with this code, because a background check found no refusal. */
  ended(code: string, node: string): void {
    const condition = this.#current.get(code);
    if (condition !== undefined) {
      this.#dropNode(condition, node);
    }
  }

  /** Drops all subjects on a node that is no longer used, or only the subject of one command on the node. */
  forget(node: string, command?: string): void {
    for (const condition of this.#current.values()) {
      if (command === undefined) {
        this.#dropNode(condition, node);
      } else if (condition.subjects.delete(subjectOf({ node, command }))) {
        replaceDetail(condition, subjectOf({ node, command }), undefined);
        this.#settle(condition);
      }
    }
  }

  current(): readonly CurrentRefusal[] {
    const unusedSinceMs = this.#nowMs() - UNUSED_MS;
    for (const condition of this.#current.values()) {
      for (const [subject, refusedAtMs] of condition.subjects) {
        if (refusedAtMs < unusedSinceMs) {
          condition.subjects.delete(subject);
        }
      }
      this.#settle(condition);
    }
    return [...this.#current.values()];
  }

  close(): void {
    for (const { timer } of this.#current.values()) {
      clearTimeout(timer);
    }
    this.#current.clear();
  }

  #need({ code, node, command }: RefusalSubject & { readonly code: string }): Condition {
    const isKnown = this.#current.has(code) || this.#past.has(code);
    const name = isKnown || this.#current.size + this.#past.size < MAX_CODES ? code : OTHER_CODE;
    const known = this.#current.get(name);
    if (known !== undefined) {
      return known;
    }
    const past = this.#past.get(name);
    const isSoon = past !== undefined && this.#nowMs() - past.atMs < RETURN_MS;
    const condition: Condition = {
      code: name,
      node,
      command,
      details: [],
      sinceMs: this.#options.clock.nowMs(),
      quietMs: isSoon ? Math.min(MAX_QUIET_MS, past.quietMs * 2) : FIRST_QUIET_MS,
      subjects: new Map(),
      found: new Map(),
      refusedCalls: 0,
      lastAtMs: Number.NEGATIVE_INFINITY,
      timer: undefined,
    };
    this.#current.set(name, condition);
    return condition;
  }

  #note({ subjects }: Condition, subject: RefusalSubject, refusedAtMs: number): void {
    const name = subjectOf(subject);
    if (subjects.has(name) || subjects.size < MAX_SUBJECTS) {
      subjects.set(name, Math.max(refusedAtMs, subjects.get(name) ?? refusedAtMs));
    }
  }

  #dropNode(condition: Condition, node: string): void {
    for (const subject of condition.subjects.keys()) {
      if (subject.startsWith(`${node} `)) {
        condition.subjects.delete(subject);
        replaceDetail(condition, subject, undefined);
      }
    }
    this.#settle(condition);
  }

  /** If the condition has no subjects left, ends the condition now or after its quiet time. */
  #settle(condition: Condition): void {
    if (condition.subjects.size > 0) {
      return;
    }
    const waitMs = condition.lastAtMs + condition.quietMs - this.#nowMs();
    if (waitMs <= 0) {
      this.#end(condition);
    } else if (condition.timer === undefined) {
      condition.timer = setTimeout(() => {
        condition.timer = undefined;
        this.#settle(condition);
      }, waitMs);
      condition.timer.unref();
    }
  }

  #end({ code, quietMs, refusedCalls, sinceMs, timer }: Condition): void {
    clearTimeout(timer);
    this.#current.delete(code);
    this.#past.set(code, { atMs: this.#nowMs(), quietMs });
    const { role, log, clock } = this.#options;
    const durationMs = clock.nowMs() - sinceMs;
    const message = DAMAGE_CODES.has(code)
      ? 'no more damaged values found in Redis'
      : 'Redis no longer refuses commands';
    log.info({ role, code, refusedCalls, durationMs }, message);
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }
}

function beginningOf({ code, command }: Condition): string {
  if (DAMAGE_CODES.has(code)) {
    return 'damaged value in Redis';
  }
  return CONNECTS.has(command) ? 'Redis refuses connections' : 'Redis refuses commands';
}

/** Replaces the previous detail of the subject. The previous detail is kept if another subject has the same detail. */
function replaceDetail({ subjects, found, details }: Condition, subject: string, detail: string | undefined): void {
  const before = found.get(subject);
  found.delete(subject);
  if (detail !== undefined && subjects.has(subject)) {
    found.set(subject, detail);
  }
  const index = before === undefined ? -1 : details.indexOf(before);
  if (index !== -1 && ![...found.values()].includes(details[index] ?? '')) {
    details.splice(index, 1);
  }
}

function subjectOf({ node, command }: RefusalSubject): string {
  return `${node} ${command}`;
}
