/**
 * Creates the admission policies of the chart for the labelled namespaces of one test, so that they do not affect other
 * pods of the cluster.
 */
import { render, type Values } from './helm.ts';
import type { KubernetesObjects } from './objects.ts';

/** Creates the policies and their bindings, restricted to namespaces with this label. */
export async function createPolicies(
  objects: KubernetesObjects,
  values: Values,
  matchLabels: Readonly<Record<string, string>>,
): Promise<void> {
  const policies = render(values).filter(({ kind }) => /AdmissionPolicy(Binding)?$/.test(kind));
  for (const policy of policies) {
    const spec = policy.spec as { matchConstraints?: { namespaceSelector: object } };
    if (spec.matchConstraints !== undefined) {
      Object.assign(spec.matchConstraints.namespaceSelector, { matchLabels });
    }
    await objects.create(policy);
  }
}
