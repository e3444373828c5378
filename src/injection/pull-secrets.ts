/**
 * Adds the pull secrets of the sidecar's image to a pod, and removes them.
 *
 * Invariants:
 *   1. A pull secret that the pod already has is not added again and never removed.
 *   2. A manifest without pull secrets gets only those that its annotation requests. Kubernetes ignores the pull secrets
 *      of the ServiceAccount if the pod has any of its own, and the image of the application may need them.
 *   3. The annotation pannier.dev/added lists the pull secrets that injection has added.
 */
import { annotationKey } from './annotations.ts';
import type { PodSpec, PullSecret } from './pod.ts';

const ADDED_PREFIX = 'imagePullSecrets/';

export interface PullSecretQuestion {
  readonly spec: PodSpec;
  /** Pull secrets of the sidecar. */
  readonly names: readonly string[];
  /** Whether an annotation of the pod lists the names; otherwise the configuration does. */
  readonly isRequested: boolean;
  /** Whether the API server has already added the pull secrets of the ServiceAccount. */
  readonly hasServiceAccountFields: boolean;
}

export interface PullSecretPlan {
  readonly add: readonly string[];
  /** Pull secrets that the pod needs but that injection cannot add. */
  readonly leftOut: readonly string[];
}

export function planPullSecrets(question: PullSecretQuestion): PullSecretPlan {
  const own = question.spec.imagePullSecrets ?? [];
  const missing = question.names.filter((name) => !own.some((secret) => secret?.name === name));
  const isSafe = question.hasServiceAccountFields || question.isRequested || own.length > 0;
  return isSafe ? { add: missing, leftOut: [] } : { add: [], leftOut: missing };
}

export function pullSecretNotes({ leftOut }: PullSecretPlan): string[] {
  return leftOut.length === 0
    ? []
    : [
        `pull secret ${leftOut.join(', ')} of the configuration is not added, because Kubernetes would then ignore the pull secrets of the ServiceAccount; list it with those of the ServiceAccount in annotation ${annotationKey('image-pull-secrets')}, or let the webhook inject the pod`,
      ];
}

/** Returns the words of pannier.dev/added for these names. */
export function addedPullSecrets(names: readonly string[]): string[] {
  return names.map((name) => ADDED_PREFIX + name);
}

export function withPullSecrets(secrets: readonly PullSecret[] | undefined, names: readonly string[]): PullSecret[] {
  return [...(secrets ?? []), ...names.map((name) => ({ name }))];
}

/** Removes the last entry of each name that injection has added. */
export function withoutPullSecrets(
  secrets: readonly PullSecret[] | undefined,
  added: ReadonlySet<string>,
): readonly PullSecret[] | undefined {
  if (!Array.isArray(secrets)) {
    return secrets;
  }
  const names: (string | undefined)[] = secrets.map((secret: PullSecret) => secret?.name);
  return secrets.filter(
    (secret: PullSecret, index) =>
      !added.has(`${ADDED_PREFIX}${secret?.name}`) || names.lastIndexOf(secret.name) !== index,
  );
}
