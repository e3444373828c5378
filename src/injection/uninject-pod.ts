/**
 * Removes the sidecar from a pod. This module is the exact inverse of edit-pod.ts, even if other programs have edited
 * the pod after the injection.
 */
import { STATUS_ANNOTATIONS } from './annotations.ts';
import { DEFAULT_CONTAINER, EVICTABLE_VOLUMES, SOCKET_MOUNT } from './edit-pod.ts';
import type { Container, Pod, PodMetadata, PodSpec } from './pod.ts';
import { findPrevious, type Kept, type Previous } from './previous.ts';
import { withoutPullSecrets } from './pull-secrets.ts';
import { SOCKET_VOLUME } from './sidecar.ts';

/** Returns the same object if the pod has no injected sidecar. */
export function uninjectPod(pod: Pod): Pod {
  const previous = findPrevious(pod);
  if (previous === undefined) {
    return pod;
  }
  const { metadata, spec, ...further } = pod;
  const bareMetadata = uninjectMetadata(metadata ?? {}, previous);
  return {
    ...further,
    ...unlessEmptied('metadata', { before: metadata, after: bareMetadata, kept: previous.kept }),
    ...(spec === undefined ? {} : { spec: uninjectSpec(spec, previous) }),
  };
}

function uninjectSpec(spec: PodSpec, previous: Previous): PodSpec {
  const { initContainers, containers, volumes, imagePullSecrets, ...further } = spec;
  const uninjectEach = (list: readonly Container[] | undefined): Container[] | undefined =>
    list
      ?.filter((container) => container !== previous.container)
      .map((container) => uninjectContainer(container, previous));
  const bareVolumes = volumes?.filter((volume) => !previous.volumes.has(volume.name));
  const { kept } = previous;
  return {
    ...further,
    ...unlessEmptied('initContainers', { before: initContainers, after: uninjectEach(initContainers), kept }),
    ...(containers === undefined ? {} : { containers: uninjectEach(containers) ?? [] }),
    ...unlessEmptied('volumes', { before: volumes, after: bareVolumes, kept }),
    ...unlessEmptied('imagePullSecrets', {
      before: imagePullSecrets,
      after: withoutPullSecrets(imagePullSecrets, previous.added),
      kept,
    }),
  };
}

function uninjectContainer(container: Container, previous: Previous): Container {
  const { env, volumeMounts, ...further } = container;
  const { endpoints, kept } = previous;
  const isAdded = (name: string, value: unknown): boolean =>
    endpoints.has(name) && endpoints.get(name) === value && !kept.has(`${container.name}/env/${name}`);
  const bareEnv = env?.filter((variable) => !isAdded(variable.name, variable.value));
  const keepsMount = kept.has(`${container.name}/volumeMounts`) || !previous.volumes.has(SOCKET_VOLUME);
  const bareMounts = keepsMount
    ? volumeMounts
    : volumeMounts?.filter((mount) => mount.name !== SOCKET_MOUNT.name || mount.mountPath !== SOCKET_MOUNT.mountPath);
  return {
    ...further,
    name: container.name,
    ...unlessEmptied('env', { before: env, after: bareEnv, kept, owner: container.name }),
    ...unlessEmptied('volumeMounts', { before: volumeMounts, after: bareMounts, kept, owner: container.name }),
  };
}

function uninjectMetadata(metadata: PodMetadata, previous: Previous): PodMetadata {
  const { labels, annotations, ...further } = metadata;
  const bareLabels = { ...labels };
  delete bareLabels[STATUS_ANNOTATIONS.injected];
  const bareAnnotations: Record<string, string> = { ...annotations };
  for (const key of Object.values(STATUS_ANNOTATIONS)) {
    delete bareAnnotations[key];
  }
  if (!previous.kept.has('default-container')) {
    delete bareAnnotations[DEFAULT_CONTAINER];
  }
  const evictable = bareAnnotations[EVICTABLE_VOLUMES];
  if (evictable !== undefined && previous.volumes.has(SOCKET_VOLUME) && !previous.kept.has('evictable')) {
    const others = evictable.split(',').filter((name) => name !== SOCKET_VOLUME);
    if (others.length === 0) {
      delete bareAnnotations[EVICTABLE_VOLUMES];
    } else {
      bareAnnotations[EVICTABLE_VOLUMES] = others.join(',');
    }
  }
  const { kept } = previous;
  return {
    ...further,
    ...unlessEmptied('labels', { before: labels, after: bareLabels, kept }),
    ...unlessEmptied('annotations', { before: annotations, after: bareAnnotations, kept }),
  };
}

/**
 * Returns `{ key: after }`. If the list contained only injected entries, restores its former state: an empty list,
 * null, or no key.
 */
function unlessEmptied<Key extends string, Value extends object>(
  key: Key,
  options: { before: Value | null | undefined; after: Value | undefined; kept: Kept; owner?: string },
): Partial<Record<Key, Value>> {
  const { before, after, kept, owner } = options;
  if (before === undefined) {
    return {};
  }
  if (before === null || after === undefined) {
    return entry(key, NULL);
  }
  if (Object.keys(before).length === 0 || Object.keys(after).length > 0) {
    return entry(key, after);
  }
  const word = owner === undefined ? key : `${owner}/${key}`;
  if (kept.has(`empty:${word}`)) {
    return entry(key, after);
  }
  return kept.has(`null:${word}`) ? entry(key, NULL) : {};
}

/**
 * Value null, which a field of a pod may have. The types exclude null, because an API server never returns null, but
 * files may contain null.
 */
const NULL = null as never;

function entry<Key extends string, Value>(key: Key, value: Value): Partial<Record<Key, Value>> {
  return { [key]: value } as Record<Key, Value>;
}
