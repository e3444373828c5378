/**
 * Limits made ready for use: with their algorithm, the field that names their state, and the argument of the scripts, built once.
 *
 * A state belongs to (name, algorithm, window): changing the number of a limit keeps what was used, changing its algorithm or its window
 * begins with nothing used.
 */
import type { LimitSpec, PolicySpec } from '../config/policy-file.ts';
import { type Algorithm, algorithmNamed } from './algorithms/algorithm.ts';
import { isLean, packLimits } from './packed-limits.ts';

/** Limits by the fields that name their state inside the subject's. */
export interface LimitFields {
  readonly limits: readonly { readonly field: string }[];
}

export interface CompiledLimit {
  readonly spec: LimitSpec;
  readonly algorithm: Algorithm;
  /** What a caller can have at once: burst of a bucket, limit of a window. */
  readonly capacity: number;
  /** Names the state inside the subject's. */
  readonly field: string;
}

export interface CompiledLimits {
  readonly limits: readonly CompiledLimit[];
  /** The argument of the scripts (packed-limits.ts). */
  readonly packed: string;
  /** Whether lean scripts may decide all of them. */
  readonly isLean: boolean;
  /** A cost above this can never be had. */
  readonly smallestCapacity: number;
}

export function compileLimits(specs: readonly LimitSpec[]): CompiledLimits {
  const limits = specs.map((spec): CompiledLimit => {
    const algorithm = algorithmNamed(spec.algorithm);
    return {
      spec,
      algorithm,
      capacity: algorithm.isBucket ? spec.burst : spec.limit,
      field: fieldOf(algorithm, spec),
    };
  });
  return {
    limits,
    packed: packLimits(limits),
    isLean: limits.every(isLean),
    smallestCapacity: Math.min(...limits.map((limit) => limit.capacity)),
  };
}

export function fieldOf(algorithm: Algorithm, { name, windowMs }: Pick<LimitSpec, 'name' | 'windowMs'>): string {
  return `${algorithm.number}:${windowMs}:${name}`;
}

const compiled = new WeakMap<PolicySpec, CompiledLimits>();

/** The policy's limits, compiled once per loaded policy file. */
export function compilePolicy(policy: PolicySpec): CompiledLimits {
  let limits = compiled.get(policy);
  if (limits === undefined) {
    limits = compileLimits(policy.limits);
    compiled.set(policy, limits);
  }
  return limits;
}
