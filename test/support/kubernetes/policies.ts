/**
 * Creates the admission policies of the chart for the labelled namespaces of one test, so that they do not affect other
 * pods of the cluster.
 */
import { render, type Values } from './helm.ts';
import type { KubernetesObjects } from './objects.ts';

/**
 * Creates the policies and their bindings, restricted to namespaces with this label. The names of the objects begin with
 * the value of the label, because an installed release has the names that the chart renders.
 */
export async function createPolicies(
  objects: KubernetesObjects,
  values: Values,
  matchLabels: Readonly<Record<string, string>>,
): Promise<void> {
  const policies = render(values).filter(({ kind }) => /AdmissionPolicy(Binding)?$/.test(kind));
  const prefix = Object.values(matchLabels).join('-');
  const ownName = (name: string): string => name.replace(/^pannier/, prefix);
  for (const policy of policies) {
    const spec = policy.spec as { policyName?: string; matchConstraints?: { namespaceSelector: object } };
    Object.assign(policy.metadata, { name: ownName(policy.metadata.name) });
    if (spec.policyName !== undefined) {
      spec.policyName = ownName(spec.policyName);
    }
    if (spec.matchConstraints !== undefined) {
      Object.assign(spec.matchConstraints.namespaceSelector, { matchLabels });
    }
    await objects.create(policy);
  }
}
