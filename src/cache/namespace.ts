/**
 * What the policy file says of a cache namespace, asked anew for every call so that a reload takes effect.
 */
import type { NamespaceSpec, PolicySource } from '../config/policy-file.ts';
import { OTHER_NAMESPACE_LABEL } from './metrics.ts';

export function namespaceSpec(policies: PolicySource, namespace: string): NamespaceSpec {
  const file = policies.current();
  return file.cacheNamespaces.get(namespace) ?? file.cacheDefault;
}

/** The namespace as a label: one that the file names, else a fixed text, so that callers cannot make series. */
export function namespaceLabel(policies: PolicySource, namespace: string): string {
  return policies.current().cacheNamespaces.has(namespace) ? namespace : OTHER_NAMESPACE_LABEL;
}
