/**
 * Finds the settings of a cache namespace in the policy file. Each call reads the current file, so a reload takes
 * effect at once.
 *
 * Invariant: if the settings of a namespace have an error in the policy file, defaults do not replace them. A write that
 * needs the lifetime fails. Reads use the store and not the near cache, which returns the same values.
 */
import { namespaceProblem, type PolicySource } from '../config/policy-file.ts';
import { invalidPolicyFile } from '../grpc/status.ts';
import { OTHER_NAMESPACE_LABEL } from './metrics.ts';

/** Returns the lifetime, in ms, of a value whose request contains no lifetime. */
export function defaultTtlMs(policies: PolicySource, namespace: string): number {
  const file = policies.current();
  const problem = namespaceProblem(file, namespace);
  if (problem !== undefined) {
    throw invalidPolicyFile('set a cached value', { part: `the cache namespace "${namespace}"`, problem });
  }
  return (file.cacheNamespaces.get(namespace) ?? file.cacheDefault).ttlMs;
}

/** Returns whether the near cache keeps entries of a namespace. */
export function isNear(policies: PolicySource, namespace: string): boolean {
  const file = policies.current();
  const { near } = file.cacheNamespaces.get(namespace) ?? file.cacheDefault;
  return near && namespaceProblem(file, namespace) === undefined;
}

/**
 * Returns the metric label of a namespace: the name of the namespace if the policy file lists the namespace, otherwise
 * a fixed string. Callers therefore cannot add time series.
 */
export function namespaceLabel(policies: PolicySource, namespace: string): string {
  return policies.current().cacheNamespaces.has(namespace) ? namespace : OTHER_NAMESPACE_LABEL;
}
