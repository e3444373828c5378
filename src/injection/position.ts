/**
 * Places the sidecar among the containers of a pod, for example after the sidecar of a service mesh.
 *
 * Invariants:
 *   1. The sidecar comes right after the last container that `after` names, otherwise first. A native sidecar is placed
 *      among the init containers, and a plain one among the containers.
 *   2. A present sidecar moves only if a container that `after` names comes behind it. Containers that other injectors
 *      place around the sidecar therefore keep their positions.
 */
import type { Container, PodSpec } from './pod.ts';
import type { Sidecar } from './sidecar.ts';

/** Returns a copy of the list with the new sidecar in its place. */
export function withSidecar(
  containers: readonly Container[],
  sidecar: Container,
  after: readonly string[],
): Container[] {
  return containers.toSpliced(lastNamed(containers, after) + 1, 0, sidecar);
}

/** Returns the list with the present sidecar behind all containers that `after` names. */
export function withMovedSidecar(
  containers: readonly Container[],
  sidecar: Container,
  after: readonly string[],
): readonly Container[] {
  const from = containers.indexOf(sidecar);
  const last = lastNamed(containers, after);
  return from < 0 || last < from ? containers : containers.toSpliced(from, 1).toSpliced(last, 0, sidecar);
}

/** Returns a note if `after` names only containers that the pod does not have. */
export function positionNotes({ after, isNative }: Sidecar, spec: PodSpec): string[] {
  const containers = (isNative ? spec.initContainers : spec.containers) ?? [];
  const kind = isNative ? 'init container' : 'container';
  return after.length === 0 || lastNamed(containers, after) >= 0
    ? []
    : [
        `the sidecar comes first, because the pod has no ${kind} named ${after.join(' or ')}; the webhook moves the sidecar if another injector adds one`,
      ];
}

function lastNamed(containers: readonly Container[], names: readonly string[]): number {
  return containers.findLastIndex(({ name }) => names.includes(name));
}
