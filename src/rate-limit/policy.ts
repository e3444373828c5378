/**
 * Limits made ready for use: with their algorithm, the field that names their state, and the arguments of the script, built once.
 *
 * A state belongs to (name, algorithm, window): changing the number of a limit keeps what was used, changing its algorithm or its window
 * begins afresh.
 */
import type { LimitSpec, PolicySpec } from '../config/policy-file.ts';
import { type Algorithm, algorithmNamed } from './algorithms/index.ts';

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
  /** Of take.lua, after cost and delay. */
  readonly scriptArgs: readonly string[];
  /** Of a policy: the same for many calls, so that a store may prepare something for them. */
  readonly isKept: boolean;
}

export function compileLimits(specs: readonly LimitSpec[], isKept = false): CompiledLimits {
  const limits = specs.map((spec): CompiledLimit => {
    const algorithm = algorithmNamed(spec.algorithm);
    return {
      spec,
      algorithm,
      capacity: algorithm.isBucket ? spec.burst : spec.limit,
      field: `${algorithm.number}:${spec.windowMs}:${spec.name}`,
    };
  });
  const scriptArgs = limits.flatMap(({ algorithm, field, spec }) => [
    String(algorithm.number),
    field,
    String(spec.limit),
    String(spec.windowMs),
    String(spec.burst),
  ]);
  return { limits, scriptArgs, isKept };
}

const compiled = new WeakMap<PolicySpec, CompiledLimits>();

/** The policy's limits, compiled once per loaded policy file. */
export function compilePolicy(policy: PolicySpec): CompiledLimits {
  let limits = compiled.get(policy);
  if (limits === undefined) {
    limits = compileLimits(policy.limits, true);
    compiled.set(policy, limits);
  }
  return limits;
}
