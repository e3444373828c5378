/**
 * Triggers renewals of cert-manager certificates on a real cluster.
 */
import type { TestCluster } from './cluster.ts';

const API = { group: 'cert-manager.io', version: 'v1' } as const;

interface CertificateObject {
  readonly status?: { readonly conditions?: readonly { readonly type: string }[] };
}

/** Triggers the renewal of a certificate as cmctl does, by setting a condition in the status of the Certificate. */
export async function renewCertificate(cluster: TestCluster, namespace: string, name: string): Promise<void> {
  const place = { ...API, namespace, plural: 'certificates', name };
  const found = (await cluster.custom.getNamespacedCustomObject(place)) as CertificateObject;
  const issuing = {
    type: 'Issuing',
    status: 'True',
    reason: 'ManuallyTriggered',
    message: 'renewed by a test',
    lastTransitionTime: new Date().toISOString(),
  };
  const others = (found.status?.conditions ?? []).filter(({ type }) => type !== issuing.type);
  const body = { ...found, status: { ...found.status, conditions: [...others, issuing] } };
  await cluster.custom.replaceNamespacedCustomObjectStatus({ ...place, body });
}
