/**
 * What the memory store holds of a subject: the state of each of its limits, by the field that names it.
 *
 * Most subjects have one limit. Theirs is held without a Map, which would be a third of the memory that such a subject takes.
 */
import { mapBytes } from '../lib/memory-size.ts';
import type { AlgorithmState } from './algorithms/index.ts';

export interface FieldState {
  readonly field: string;
  readonly state: AlgorithmState;
  readonly endMs: number;
  /** Of this object, its state, and its name where that is not shared. */
  readonly bytes: number;
}

/** One field alone, or all by their names. */
export type SubjectFields = FieldState | Map<string, FieldState>;

export function fieldOf(fields: SubjectFields | undefined, field: string): FieldState | undefined {
  if (fields instanceof Map) {
    return fields.get(field);
  }
  return fields?.field === field ? fields : undefined;
}

/** The fields with these written; where `fields` is a Map, the same one. */
export function withFields(fields: SubjectFields | undefined, writes: readonly FieldState[]): SubjectFields {
  const [first] = writes;
  const isOne = fields === undefined || (!(fields instanceof Map) && fields.field === first?.field);
  if (first !== undefined && writes.length === 1 && isOne) {
    return first;
  }
  const map = asMap(fields);
  for (const write of writes) {
    map.set(write.field, write);
  }
  return map;
}

export function asMap(fields: SubjectFields | undefined): Map<string, FieldState> {
  if (fields instanceof Map) {
    return fields;
  }
  return new Map(fields === undefined ? [] : [[fields.field, fields]]);
}

export function sizeOf(fields: SubjectFields): { readonly bytes: number; readonly endMs: number } {
  if (!(fields instanceof Map)) {
    return fields;
  }
  let bytes = mapBytes(fields.size);
  let endMs = 0;
  for (const state of fields.values()) {
    bytes += state.bytes;
    endMs = Math.max(endMs, state.endMs);
  }
  return { bytes, endMs };
}
