/**
 * Finds the parts of a pod that conflict with its sidecar: names, ports and mount paths that both of them use.
 *
 * Injection never overwrites a part that the user wrote. Instead, injection refuses the pod with an error that contains
 * the conflict and its remedy.
 */
import { type Annotations, annotationKey } from './annotations.ts';
import type { Container, Pod, Volume } from './pod.ts';
import type { Previous } from './previous.ts';
import { rootUserProblem } from './security-context.ts';
import { SIDECAR_NAME, type Sidecar } from './sidecar.ts';
import { sidecarVolumes } from './sidecar-container.ts';
import { placeOf, socketConflict } from './socket-mounts.ts';
import { windowsField } from './windows.ts';

export interface ClashQuestion {
  readonly pod: Pod;
  readonly sidecar: Sidecar;
  readonly annotations: Annotations;
  readonly previous: Previous | undefined;
}

/** Returns an error text for each conflict. */
export function findClashes(question: ClashQuestion): string[] {
  const spec = question.pod.spec ?? {};
  const all = [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
  const containers = all.filter((container) => container !== question.previous?.container);
  return [
    ...podClashes(question),
    ...containers.flatMap((container) => containerClashes(container, question.sidecar, spec.volumes ?? [])),
    ...volumeClashes(question),
  ];
}

function podClashes({ pod, sidecar, annotations }: ClashQuestion): string[] {
  const problems: string[] = [];
  const spec = pod.spec ?? {};
  if ((spec.containers ?? []).length === 0) {
    problems.push('cannot inject the pod: spec.containers is empty; add at least one container');
  }
  const windows = windowsField(spec);
  if (windows !== undefined) {
    problems.push(
      `cannot inject the pod: its operating system is windows (${windows}); use linux (there is no image for windows)`,
    );
  }
  if (
    spec.hostNetwork === true &&
    (annotations['grpc-port'] === undefined || annotations['admin-port'] === undefined)
  ) {
    problems.push(
      `cannot inject the pod: spec.hostNetwork is true, so its ports are ports of the node; set annotations ${annotationKey('grpc-port')} and ${annotationKey('admin-port')} to ports that no other pod of the node uses`,
    );
  }
  const rootUser = rootUserProblem(pod, sidecar.securityContext);
  if (rootUser !== undefined) {
    problems.push(rootUser);
  }
  const restartPolicy = spec.restartPolicy ?? 'Always';
  if (!sidecar.isNative && restartPolicy !== 'Always') {
    const job = pod.metadata?.ownerReferences?.find((owner) => owner.kind === 'Job');
    const what = job === undefined ? `spec.restartPolicy is "${restartPolicy}"` : `it belongs to Job ${job.name}`;
    problems.push(
      `cannot inject the pod: ${what}, and a sidecar that is a plain container would keep the pod from completing; use kubelets of 1.29 or newer, or set annotation ${annotationKey('native')} to "true"`,
    );
  }
  return problems;
}

function containerClashes(container: Container, sidecar: Sidecar, volumes: readonly Volume[]): string[] {
  const problems: string[] = [];
  if (container.name === SIDECAR_NAME) {
    problems.push(
      `cannot inject the pod: it has a container named ${SIDECAR_NAME} that the injector did not add; rename it`,
    );
  }
  const sidecarPorts = [
    { port: sidecar.grpcPort, annotation: 'grpc-port' },
    { port: sidecar.adminPort, annotation: 'admin-port' },
  ] as const;
  for (const { port, annotation } of sidecarPorts) {
    const isTaken = container.ports?.some(
      (candidate) => candidate.containerPort === port && (candidate.protocol ?? 'TCP') === 'TCP',
    );
    if (isTaken === true) {
      problems.push(
        `cannot inject the pod: container ${container.name} uses port ${port}; set annotation ${annotationKey(annotation)} to another port`,
      );
    }
  }
  const mount = sidecar.hasSocket ? socketConflict(container, volumes) : undefined;
  if (mount !== undefined) {
    problems.push(
      `cannot inject the pod: container ${container.name} mounts ${mount.name} at ${placeOf(mount.mountPath)}; mount it elsewhere, or set annotation ${annotationKey('socket')} to "false"`,
    );
  }
  return problems;
}

function volumeClashes({ pod, sidecar, previous }: ClashQuestion): string[] {
  const own = new Set((pod.spec?.volumes ?? []).map((volume) => volume.name));
  const clashing = sidecarVolumes(sidecar).filter(({ name }) => own.has(name) && previous?.volumes.has(name) !== true);
  return clashing.map(
    ({ name }) => `cannot inject the pod: it has a volume named ${name} that the injector did not add; rename it`,
  );
}
