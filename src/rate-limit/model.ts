/**
 * Compiles limits. For each limit, this module looks up the algorithm and computes the name of the field that stores
 * the state. It also builds one argument for the Lua scripts, which describes all limits.
 *
 * Name, algorithm and window identify the state of a limit. A change to the number of units keeps the state. After a
 * change to the algorithm or the window, the limit starts with an empty state.
 */
import type { LimitSpec, PolicySpec } from '../config/policy-file.ts';
import { type Algorithm, algorithmNamed } from './algorithms/algorithm.ts';
import { isLean, packLimits } from './packed-limits.ts';

/** Limits, identified by the fields that store their states. */
export interface LimitFields {
  readonly limits: readonly { readonly field: string }[];
}

export interface CompiledLimit {
  readonly spec: LimitSpec;
  readonly algorithm: Algorithm;
  /** Maximum units available at once: the burst of a bucket, or the limit of a window. */
  readonly capacity: number;
  /** Name of the field in which a subject stores the state of this limit. */
  readonly field: string;
}

export interface CompiledLimits {
  readonly limits: readonly CompiledLimit[];
  /** Argument of the Lua scripts (packed-limits.ts). */
  readonly packed: string;
  /** Whether a lean script can decide all of the limits. */
  readonly isLean: boolean;
  /** Capacity of the smallest limit. A call with a higher cost is never allowed. */
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

/** Returns the compiled limits of a policy. Each policy is compiled only once per loaded policy file. */
export function compilePolicy(policy: PolicySpec): CompiledLimits {
  let limits = compiled.get(policy);
  if (limits === undefined) {
    limits = compileLimits(policy.limits);
    compiled.set(policy, limits);
  }
  return limits;
}
