/**
 * Stores rate limits in the memory of this process. The sidecar uses this store by default, without Redis. Tests
 * compare the Lua scripts with this store.
 *
 * Invariants:
 *   1. The store never exceeds its maximum number of entries and bytes.
 *   2. The store removes a subject within seconds after all of its limits have expired.
 *   3. If the store is full of live subjects, the store evicts the least recently used subject and calls `onEvict`. The
 *      limits of the evicted subject start empty again.
 */
import type { BoundedMap } from '../lib/bounded-map.ts';
import type { Clock } from '../lib/clock.ts';
import { ExpirySweeper } from '../lib/expiry-sweeper.ts';
import { stringBytes } from '../lib/memory-size.ts';
import { StoreError } from '../lib/store-error.ts';
import type { AlgorithmState } from './algorithms/algorithm.ts';
import type { Step, StepOutcome } from './algorithms/step.ts';
import type { CompiledLimit, LimitFields } from './model.ts';
import {
  decidedUnits,
  type GiveRequest,
  type GiveResult,
  MAX_FIELDS,
  type RateLimitStore,
  type SubjectKey,
  type TakeRequest,
  type TakeResult,
  takesNothing,
  tooManyLimits,
} from './store.ts';
import {
  asMap,
  FieldMap,
  type FieldState,
  MAX_FIELDS_WALKED,
  type SubjectFields,
  subjectFieldOf,
  withFields,
} from './subject-fields.ts';

export interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** The store calls this function when it evicts a live subject because the store is full. */
  readonly onEvict?: () => void;
}

/**
 * Number of fields that a call checks for expiry if the call writes a new field. The call checks two more fields for
 * each field that the call writes. The constant has the same value in general-write.lua.
 */
const FIELDS_SWEPT = 8;
/**
 * Maximum number of field names that subjects share. This maximum is far above the usual number of limits in a
 * deployment.
 */
const MAX_SHARED_NAMES = 1_000;
/** Memory of a FieldState without its state and its name. */
const FIELD_BYTES = 72;
/** Memory of a concatenated string in addition to its characters. */
const NAME_OVERHEAD_BYTES = 32;

export class MemoryRateLimitStore implements RateLimitStore {
  readonly #clock: Clock;
  readonly #subjects: BoundedMap<SubjectFields>;
  readonly #sweeper: ExpirySweeper;
  /**
   * Field names that subjects share. Without sharing, every subject would keep its own copy of each name, because each
   * call with inline limits builds new strings.
   */
  readonly #names = new Map<string, string>();

  constructor(options: MemoryStoreOptions) {
    this.#clock = options.clock;
    this.#sweeper = new ExpirySweeper(() => options.clock.nowMs());
    this.#subjects = this.#sweeper.createMap({
      maxEntries: options.maxEntries,
      maxBytes: options.maxBytes,
      onEvict: (_key, _fields, reason) => {
        if (reason === 'evicted') {
          options.onEvict?.();
        }
      },
    });
  }

  get size(): number {
    return this.#subjects.size;
  }

  get bytes(): number {
    return this.#subjects.bytes;
  }

  close(): void {
    this.#sweeper.close();
  }

  take(request: TakeRequest): TakeResult {
    const nowMs = this.#clock.nowMs();
    const id = idOf(request.key);
    const fields = this.#subjects.get(id, nowMs);
    const units = decidedUnits(request);
    let steps = request.limits.limits.map((limit) => run(limit, fields, nowMs, units, request.maxDelayMs));
    const allowed = steps.every((step) => step.outcome.allowed);
    const isPeek = takesNothing(request);
    const isTaking = allowed && !isPeek;
    if (!isTaking) {
      // In a peek, or if any limit denies the call, the outcomes of the other limits describe the state without the
      // cost.
      steps = request.limits.limits.map((limit, index) => {
        const step = steps[index] as Step<AlgorithmState>;
        return step.outcome.allowed ? run(limit, fields, nowMs, 0, request.maxDelayMs) : step;
      });
    }
    const writes: FieldState[] = [];
    for (const [index, limit] of request.limits.limits.entries()) {
      const decided = steps[index] as Step<AlgorithmState>;
      if (isTaking || (decided.repaired && !isPeek)) {
        const step = isTaking ? decided : run(limit, fields, nowMs, 0, request.maxDelayMs);
        writes.push(this.#fieldState(limit, step, nowMs));
      }
    }
    if (writes.length > 0) {
      this.#write(id, fields, writes, nowMs);
    }
    return { allowed, outcomes: steps.map((step): StepOutcome => step.outcome) };
  }

  give(request: GiveRequest): GiveResult {
    const nowMs = this.#clock.nowMs();
    const id = idOf(request.key);
    const fields = this.#subjects.get(id, nowMs);
    const outcomes: StepOutcome[] = [];
    const writes: FieldState[] = [];
    for (const limit of request.limits.limits) {
      const stored = subjectFieldOf(fields, limit.field)?.state;
      if (stored === undefined) {
        outcomes.push(limit.algorithm.remaining(undefined, limit.spec, nowMs).outcome);
      } else {
        const step = limit.algorithm.give(stored, limit.spec, nowMs, request.units);
        outcomes.push(step.outcome);
        writes.push(this.#fieldState(limit, step, nowMs));
      }
    }
    if (writes.length > 0) {
      this.#write(id, fields, writes, nowMs);
    }
    return { outcomes };
  }

  reset(key: SubjectKey, limits: LimitFields | undefined): boolean {
    const nowMs = this.#clock.nowMs();
    const id = idOf(key);
    const fields = this.#subjects.get(id, nowMs);
    if (fields === undefined) {
      return false;
    }
    if (limits === undefined) {
      return this.#subjects.delete(id);
    }
    const left = asMap(fields);
    const sizeBefore = left.size;
    for (const limit of limits.limits) {
      left.delete(limit.field);
    }
    if (left.size === 0) {
      this.#subjects.delete(id);
    } else if (left.size < sizeBefore) {
      this.#put(id, left, nowMs);
    }
    return left.size < sizeBefore;
  }

  #write(id: string, fields: SubjectFields | undefined, writes: readonly FieldState[], nowMs: number): void {
    if (
      fields instanceof FieldMap &&
      fields.size > MAX_FIELDS_WALKED &&
      writes.some(({ field }) => !fields.has(field))
    ) {
      fields.sweep(nowMs, FIELDS_SWEPT + 2 * writes.length);
      if (fields.size > MAX_FIELDS) {
        throw tooManyLimits();
      }
    }
    const before = writes.map(({ field }) => subjectFieldOf(fields, field));
    const written = withFields(fields, writes);
    if (!this.#put(id, written, nowMs)) {
      giveBack(written, writes, before);
      throw new StoreError('full', 'cannot store the limits of a subject: the memory store is too small for them');
    }
  }

  #fieldState(limit: CompiledLimit, step: Step<AlgorithmState>, nowMs: number): FieldState {
    const shared = this.#sharedName(limit.field);
    const nameBytes = shared === undefined ? NAME_OVERHEAD_BYTES + stringBytes(limit.field) : 0;
    return {
      field: shared ?? limit.field,
      state: step.state,
      endMs: nowMs + step.outcome.resetAfterMs,
      bytes: FIELD_BYTES + nameBytes + limit.algorithm.stateBytes(step.state),
    };
  }

  /** Returns the shared copy of a field name, or undefined if too many names are shared already. */
  #sharedName(name: string): string | undefined {
    const shared = this.#names.get(name);
    if (shared !== undefined || this.#names.size >= MAX_SHARED_NAMES) {
      return shared;
    }
    this.#names.set(name, name);
    return name;
  }

  #put(id: string, fields: SubjectFields, nowMs: number): boolean {
    const { bytes, endMs } = fields;
    return this.#subjects.set(id, fields, { bytes, expiresAtMs: endMs, nowMs });
  }
}

function run(
  limit: CompiledLimit,
  fields: SubjectFields | undefined,
  nowMs: number,
  cost: number,
  maxDelayMs: number | undefined,
): Step<AlgorithmState> {
  const state = subjectFieldOf(fields, limit.field)?.state;
  return limit.algorithm.take(state, limit.spec, nowMs, cost, maxDelayMs);
}

/**
 * Undoes the writes to a field map if the map does not fit into the store, so that the failed call consumes no units.
 */
function giveBack(
  written: SubjectFields,
  writes: readonly FieldState[],
  before: readonly (FieldState | undefined)[],
): void {
  if (!(written instanceof FieldMap)) {
    return;
  }
  for (const [index, { field }] of writes.entries()) {
    const state = before[index];
    if (state === undefined) {
      written.delete(field);
    } else {
      written.set(field, state);
    }
  }
}

/** Returns the key of a subject in the map. The separator `|` cannot occur in a scope or a policy name. */
function idOf(key: SubjectKey): string {
  return `${key.scope}|${key.policy}|${key.subject}`;
}
