/**
 * Adds a sidecar to a pod.
 *
 * Invariants:
 *   1. Every part of the pod that the user wrote keeps its value and its position relative to the other such parts.
 *   2. `editPod` does not add a part that the pod already has, so a second edit changes nothing.
 *   3. The module uninject-pod.ts can find every part that `editPod` has added.
 *   4. Injected variables come first in each `env`, so that variables of the user can refer to them.
 */
import { STATUS_ANNOTATIONS } from './annotations.ts';
import type { Container, Pod, PodMetadata, PodSpec, TextMap, Volume, VolumeMount } from './pod.ts';
import { withMovedSidecar, withSidecar } from './position.ts';
import type { Previous } from './previous.ts';
import { addedPullSecrets, withPullSecrets } from './pull-secrets.ts';
import { endpointsOf, type Sidecar, SOCKET_DIRECTORY, SOCKET_VOLUME } from './sidecar.ts';
import { configHash, sidecarContainer, sidecarVolumes } from './sidecar-container.ts';
import { isSocketDirectory } from './socket-mounts.ts';

export const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';
export const EVICTABLE_VOLUMES = 'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes';
export const SOCKET_MOUNT: VolumeMount = { name: SOCKET_VOLUME, mountPath: SOCKET_DIRECTORY };

export interface PodEdit {
  readonly pod: Pod;
  readonly sidecar: Sidecar;
  readonly version: string;
  /** Current sidecar of the pod, which the edit leaves unchanged; undefined if the pod has none. */
  readonly previous: Previous | undefined;
  /** Names of the pull secrets that the edit adds to the pod. */
  readonly pullSecrets: readonly string[];
}

export function editPod(edit: PodEdit): Pod {
  const kept = new Set(edit.previous?.kept);
  const spec = editSpec(edit, kept);
  const metadata = editMetadata(edit, kept);
  return { ...edit.pod, metadata, spec };
}

/**
 * Records a part that injection would add but that the user has already written. Only the first injection can
 * distinguish such a part from an injected one.
 */
function keep(edit: PodEdit, kept: Set<string>, word: string): void {
  if (edit.previous === undefined) {
    kept.add(word);
  }
}

function editSpec(edit: PodEdit, kept: Set<string>): PodSpec {
  const spec = edit.pod.spec ?? {};
  const editEach = (containers: readonly Container[] | undefined): Container[] =>
    (containers ?? []).map((container) =>
      container === edit.previous?.container ? container : editContainer(edit, kept, container),
    );
  const { isNative } = edit.sidecar;
  const initContainers = isNative ? placed(edit, editEach(spec.initContainers)) : editEach(spec.initContainers);
  const containers = isNative ? editEach(spec.containers) : placed(edit, editEach(spec.containers));
  const volumes: Volume[] = [...(spec.volumes ?? [])];
  for (const volume of sidecarVolumes(edit.sidecar)) {
    if (!volumes.some((candidate) => candidate.name === volume.name)) {
      volumes.push(volume);
    }
  }
  noteEmpty(edit, kept, { word: 'volumes', before: spec.volumes, after: volumes });
  noteEmpty(edit, kept, { word: 'initContainers', before: spec.initContainers, after: initContainers });
  const imagePullSecrets = withPullSecrets(spec.imagePullSecrets, edit.pullSecrets);
  if (edit.pullSecrets.length > 0) {
    noteEmpty(edit, kept, { word: 'imagePullSecrets', before: spec.imagePullSecrets, after: imagePullSecrets });
  }
  return {
    ...spec,
    ...(initContainers.length > 0 ? { initContainers } : {}),
    containers,
    ...(volumes.length > 0 ? { volumes } : {}),
    ...(edit.pullSecrets.length > 0 ? { imagePullSecrets } : {}),
  };
}

function placed({ sidecar, previous }: PodEdit, containers: readonly Container[]): readonly Container[] {
  return previous === undefined
    ? withSidecar(containers, sidecarContainer(sidecar), sidecar.after)
    : withMovedSidecar(containers, previous.container, sidecar.after);
}

function editContainer(edit: PodEdit, kept: Set<string>, container: Container): Container {
  const env = container.env ?? [];
  const missing: { name: string; value: string }[] = [];
  for (const [name, value] of endpointsOf(edit.sidecar)) {
    const own = env.find((variable) => variable.name === name);
    if (own === undefined) {
      missing.push({ name, value });
    } else if (own.value === value) {
      keep(edit, kept, `${container.name}/env/${name}`);
    }
  }
  const edited = missing.length === 0 ? container : { ...container, env: [...missing, ...env] };
  noteEmpty(edit, kept, { word: `${container.name}/env`, before: container.env, after: edited.env ?? [] });
  return edit.sidecar.hasSocket ? editMounts(edit, kept, edited) : edited;
}

function editMounts(edit: PodEdit, kept: Set<string>, container: Container): Container {
  const mounts = container.volumeMounts ?? [];
  if (mounts.some((mount) => isSocketDirectory(mount.mountPath))) {
    keep(edit, kept, `${container.name}/volumeMounts`);
    return container;
  }
  const volumeMounts = [...mounts, SOCKET_MOUNT];
  noteEmpty(edit, kept, {
    word: `${container.name}/volumeMounts`,
    before: container.volumeMounts,
    after: volumeMounts,
  });
  return { ...container, volumeMounts };
}

function editMetadata(edit: PodEdit, kept: Set<string>): PodMetadata {
  const metadata = edit.pod.metadata ?? {};
  const own = metadata.annotations ?? {};
  const labels = { ...metadata.labels, [STATUS_ANNOTATIONS.injected]: 'true' };
  noteEmpty(edit, kept, { word: 'metadata', before: edit.pod.metadata, after: labels });
  noteEmpty(edit, kept, { word: 'labels', before: metadata.labels, after: labels });
  noteEmpty(edit, kept, { word: 'annotations', before: metadata.annotations, after: labels });
  const further = { ...editDefaultContainer(edit, kept), ...editEvictable(edit, kept) };
  const status: Record<string, string> = {
    [STATUS_ANNOTATIONS.injected]: 'true',
    [STATUS_ANNOTATIONS.version]: edit.version,
    [STATUS_ANNOTATIONS.configHash]: configHash(edit.sidecar),
  };
  const added = new Set([...(edit.previous?.added ?? []), ...addedPullSecrets(edit.pullSecrets)]);
  if (added.size > 0) {
    status[STATUS_ANNOTATIONS.added] = [...added].join(',');
  }
  if (kept.size > 0) {
    status[STATUS_ANNOTATIONS.kept] = [...kept].sort().join(',');
  }
  return { ...metadata, labels, annotations: { ...own, ...further, ...status } };
}

/**
 * Makes `kubectl logs` and `kubectl exec` select the first container of the application, as they do without a sidecar.
 */
function editDefaultContainer(edit: PodEdit, kept: Set<string>): TextMap {
  if (edit.pod.metadata?.annotations?.[DEFAULT_CONTAINER] !== undefined) {
    keep(edit, kept, 'default-container');
    return {};
  }
  const first = edit.pod.spec?.containers?.find((container) => container !== edit.previous?.container);
  return first === undefined ? {} : { [DEFAULT_CONTAINER]: first.name };
}

/**
 * Marks the memory volume as safe to evict, because it contains only a socket. Without the mark, the cluster autoscaler
 * could not drain the node.
 */
function editEvictable(edit: PodEdit, kept: Set<string>): TextMap {
  const own = edit.pod.metadata?.annotations?.[EVICTABLE_VOLUMES];
  if (!edit.sidecar.hasSocket) {
    return {};
  }
  if (own?.split(',').some((name) => name.trim() === SOCKET_VOLUME) === true) {
    keep(edit, kept, 'evictable');
    return {};
  }
  return { [EVICTABLE_VOLUMES]: own === undefined ? SOCKET_VOLUME : `${own},${SOCKET_VOLUME}` };
}

/** Records a list or mapping that was empty or null before the edit and to which the edit has added entries. */
function noteEmpty(
  edit: PodEdit,
  kept: Set<string>,
  { word, before, after }: { word: string; before: object | null | undefined; after: object },
): void {
  if (before === undefined || Object.keys(after).length === 0) {
    return;
  }
  if (before === null) {
    keep(edit, kept, `null:${word}`);
  } else if (Object.keys(before).length === 0) {
    keep(edit, kept, `empty:${word}`);
  }
}
