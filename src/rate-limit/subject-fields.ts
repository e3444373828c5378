/**
 * Stores the state of a subject in the memory store: one entry per limit, with the field of the limit as its key.
 *
 * Most subjects have a single limit. The store keeps the state of such a limit without a Map, because a Map would need
 * a third of the subject's memory.
 */
import { mapBytes } from '../lib/memory-size.ts';
import type { AlgorithmState } from './algorithms/algorithm.ts';

export interface FieldState {
  readonly field: string;
  readonly state: AlgorithmState;
  readonly endMs: number;
  /** Memory of this object and its state, in bytes. The number includes the name unless subjects share it. */
  readonly bytes: number;
}

/** A single field, or a map of several fields. */
export type SubjectFields = FieldState | FieldMap;

/** Measured memory of a FieldMap in addition to its Map. */
const FIELD_MAP_BYTES = 24;

/**
 * Maximum number of fields that one call iterates over completely. The constant has the same value in
 * general-write.lua.
 */
export const MAX_FIELDS_WALKED = 512;

/**
 * Map of fields that tracks its own size in bytes, so that the cost of a call does not depend on the number of fields.
 *
 * With more than MAX_FIELDS_WALKED fields, `endMs` is an upper bound, because it does not decrease when a call
 * overwrites a field with an earlier expiry.
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

  /**
   * Removes the expired fields among the next `count` fields. The next call of `sweep` continues after these fields.
   */
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

/** Returns the fields after the writes. If `fields` is a FieldMap, the function updates this map in place. */
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
