/**
 * Limits in the memory of this process: the default without Redis, and the specification that the scripts are tested against.
 *
 * Bounded in entries and bytes. When it is full the least recently used subject is forgotten, which opens its limits anew: `onEvict` counts.
 */
import { BoundedMap } from '../lib/bounded-map.ts';
import type { Clock } from '../lib/clock.ts';
import { StoreError } from '../lib/store-error.ts';
import type { AlgorithmState } from './algorithms/index.ts';
import type { Step, StepOutcome } from './algorithms/step.ts';
import type { CompiledLimit, LimitFields } from './policy.ts';
import {
  decidedUnits,
  FIELDS_MAX,
  type GiveRequest,
  type GiveResult,
  type RateLimitStore,
  type SubjectKey,
  type TakeRequest,
  type TakeResult,
  takesNothing,
  tooManyLimits,
} from './store.ts';

export interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** A live subject was given up for room. */
  readonly onEvict?: () => void;
}

interface FieldState {
  readonly state: AlgorithmState;
  readonly endMs: number;
  readonly bytes: number;
}

type Fields = Map<string, FieldState>;

/** The same as in general-write.lua. */
const FIELDS_LOOKED_THROUGH = 512;
const FIELD_OVERHEAD_BYTES = 100;

export class MemoryRateLimitStore implements RateLimitStore {
  readonly #clock: Clock;
  readonly #subjects: BoundedMap<Fields>;

  constructor(options: MemoryStoreOptions) {
    this.#clock = options.clock;
    this.#subjects = new BoundedMap({
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

  take(request: TakeRequest): TakeResult {
    const nowMs = this.#clock.nowMs();
    const id = idOf(request.key);
    const fields: Fields = this.#subjects.get(id, nowMs) ?? new Map();
    const units = decidedUnits(request);
    let steps = request.limits.limits.map((limit) => run(limit, fields, nowMs, units, request.maxDelayMs));
    const allowed = steps.every((step) => step.outcome.allowed);
    const isPeek = takesNothing(request);
    const isTaking = allowed && !isPeek;
    if (!isTaking) {
      // All or none: what would have been allowed answers as it is, with nothing taken.
      steps = request.limits.limits.map((limit, index) => {
        const step = steps[index] as Step<AlgorithmState>;
        return step.outcome.allowed ? run(limit, fields, nowMs, 0, request.maxDelayMs) : step;
      });
    }
    const writes: { field: string; state: FieldState }[] = [];
    for (const [index, limit] of request.limits.limits.entries()) {
      const decided = steps[index] as Step<AlgorithmState>;
      if (isTaking || (decided.repaired && !isPeek)) {
        const step = isTaking ? decided : run(limit, fields, nowMs, 0, request.maxDelayMs);
        writes.push({ field: limit.field, state: toFieldState(limit, step, nowMs) });
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
    const fields: Fields = this.#subjects.get(id, nowMs) ?? new Map();
    const outcomes: StepOutcome[] = [];
    const writes: { field: string; state: FieldState }[] = [];
    for (const limit of request.limits.limits) {
      const stored = fields.get(limit.field)?.state;
      if (stored === undefined) {
        outcomes.push(limit.algorithm.remaining(undefined, limit.spec, nowMs).outcome);
      } else {
        const step = limit.algorithm.give(stored, limit.spec, nowMs, request.units);
        outcomes.push(step.outcome);
        writes.push({ field: limit.field, state: toFieldState(limit, step, nowMs) });
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
    let existed = false;
    for (const limit of limits.limits) {
      existed = fields.delete(limit.field) || existed;
    }
    if (fields.size === 0) {
      this.#subjects.delete(id);
    }
    return existed;
  }

  #write(id: string, fields: Fields, writes: readonly { field: string; state: FieldState }[], nowMs: number): void {
    const hasNew = writes.some(({ field }) => !fields.has(field));
    if (hasNew && fields.size > FIELDS_LOOKED_THROUGH) {
      makeRoom(fields, nowMs);
    }
    const before = writes.map(({ field }) => ({ field, state: fields.get(field) }));
    for (const { field, state } of writes) {
      fields.set(field, state);
    }
    let bytes = 0;
    let endMs = 0;
    for (const [field, state] of fields) {
      bytes += state.bytes + field.length * 2 + FIELD_OVERHEAD_BYTES;
      endMs = Math.max(endMs, state.endMs);
    }
    if (!this.#subjects.set(id, fields, { bytes, expiresAtMs: endMs, nowMs })) {
      giveBack(fields, before);
      throw new StoreError('full', 'the memory store is too small for one subject');
    }
  }
}

function run(
  limit: CompiledLimit,
  fields: Fields,
  nowMs: number,
  cost: number,
  maxDelayMs: number | undefined,
): Step<AlgorithmState> {
  const state = fields.get(limit.field)?.state;
  return limit.algorithm.take(state, limit.spec, nowMs, cost, maxDelayMs);
}

function toFieldState(limit: CompiledLimit, step: Step<AlgorithmState>, nowMs: number): FieldState {
  return { state: step.state, endMs: nowMs + step.outcome.resetAfterMs, bytes: limit.algorithm.stateBytes(step.state) };
}

/** What is refused is not taken, nor does it stay in memory. */
function giveBack(fields: Fields, before: readonly { field: string; state: FieldState | undefined }[]): void {
  for (const { field, state } of before) {
    if (state === undefined) {
      fields.delete(field);
    } else {
      fields.set(field, state);
    }
  }
}

function makeRoom(fields: Fields, nowMs: number): void {
  for (const [field, { endMs }] of fields) {
    if (endMs <= nowMs) {
      fields.delete(field);
    }
  }
  if (fields.size > FIELDS_MAX) {
    throw tooManyLimits();
  }
}

/** Scope and policy cannot hold `|`. */
function idOf(key: SubjectKey): string {
  return `${key.scope}|${key.policy}|${key.subject}`;
}
