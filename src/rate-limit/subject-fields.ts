/**
 * What the memory store holds of a subject: the state of each of its limits, by the field that names it.
 *
 * Most subjects have one limit. Theirs is held without a Map, which would be a third of the memory that such a subject takes.
 */
import { mapBytes } from '../lib/memory-size.ts';
import type { AlgorithmState } from './algorithms/algorithm.ts';

export interface FieldState {
  readonly field: string;
  readonly state: AlgorithmState;
  readonly endMs: number;
  /** Of this object, its state, and its name where that is not shared. */
  readonly bytes: number;
}

/** One field alone, or all by their names. */
export type SubjectFields = FieldState | FieldMap;

/** What a FieldMap takes beside its Map, measured. */
const FIELD_MAP_BYTES = 24;

/** As general-write.lua has it: beyond so many fields, no call walks all of them. */
export const MAX_FIELDS_WALKED = 512;

/**
 * Fields by their names, with their size kept along, so that a call costs the same however many there are.
 *
 * Beyond MAX_FIELDS_WALKED fields `endMs` is not lowered when a field is written with an earlier end: it is the end at the latest.
 */
export class FieldMap extends Map<string, FieldState> {
  #bytes = 0;
  #endMs = 0;
  #sweepPosition: MapIterator<FieldState> | undefined;

  get bytes(): number {
    return FIELD_MAP_BYTES + mapBytes(this.size) + this.#bytes;
  }

  get endMs(): number {
    if (this.size <= MAX_FIELDS_WALKED) {
      this.#endMs = 0;
      for (const state of this.values()) {
        this.#endMs = Math.max(this.#endMs, state.endMs);
      }
    }
    return this.#endMs;
  }

  override set(field: string, state: FieldState): this {
    this.#bytes += state.bytes - (this.get(field)?.bytes ?? 0);
    this.#endMs = Math.max(this.#endMs, state.endMs);
    return super.set(field, state);
  }

  override delete(field: string): boolean {
    this.#bytes -= this.get(field)?.bytes ?? 0;
    return super.delete(field);
  }

  /** Removes the ended ones of the next `count` fields, and goes on behind them the next time. */
  sweep(nowMs: number, count: number): void {
    for (let left = Math.min(count, this.size); left > 0; left -= 1) {
      this.#sweepPosition ??= this.values();
      const { value, done } = this.#sweepPosition.next();
      if (done === true) {
        this.#sweepPosition = undefined;
      } else if (value.endMs <= nowMs) {
        this.delete(value.field);
      }
    }
  }
}

export function subjectFieldOf(fields: SubjectFields | undefined, field: string): FieldState | undefined {
  if (fields instanceof FieldMap) {
    return fields.get(field);
  }
  return fields?.field === field ? fields : undefined;
}

/** The fields with these written; where `fields` is a Map, the same one. */
export function withFields(fields: SubjectFields | undefined, writes: readonly FieldState[]): SubjectFields {
  const [first] = writes;
  const isOne = fields === undefined || (!(fields instanceof FieldMap) && fields.field === first?.field);
  if (first !== undefined && writes.length === 1 && isOne) {
    return first;
  }
  const map = asMap(fields);
  for (const write of writes) {
    map.set(write.field, write);
  }
  return map;
}

export function asMap(fields: SubjectFields | undefined): FieldMap {
  if (fields instanceof FieldMap) {
    return fields;
  }
  const map = new FieldMap();
  if (fields !== undefined) {
    map.set(fields.field, fields);
  }
  return map;
}
