/**
 * What in a pod stands in the way of its sidecar. Nothing of the user's is ever overwritten: where both want the same name, place or
 * port, injection is refused with what to do.
 */
import type { Annotations } from './annotations.ts';
import type { Container, Pod } from './pod.ts';
import type { Previous } from './previous.ts';
import { isSocketDirectory, SIDECAR_NAME, type Sidecar, SOCKET_DIRECTORY, SOCKET_VOLUME } from './sidecar.ts';
import { sidecarVolumes } from './sidecar-container.ts';

export interface ClashQuestion {
  readonly pod: Pod;
  readonly sidecar: Sidecar;
  readonly annotations: Annotations;
  readonly previous: Previous | undefined;
}

/** Sentences; none: nothing stands in the way. */
export function findClashes(question: ClashQuestion): string[] {
  const spec = question.pod.spec ?? {};
  const all = [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
  const containers = all.filter((container) => container !== question.previous?.container);
  return [
    ...podClashes(question),
    ...containers.flatMap((container) => containerClashes(container, question.sidecar)),
    ...volumeClashes(question),
  ];
}

function podClashes({ pod, sidecar, annotations }: ClashQuestion): string[] {
  const problems: string[] = [];
  const spec = pod.spec ?? {};
  if ((spec.containers ?? []).length === 0) {
    problems.push('Cannot inject the pod: spec.containers is empty, wanted at least one container');
  }
  if (spec.os?.name === 'windows' || spec.nodeSelector?.['kubernetes.io/os'] === 'windows') {
    problems.push('Cannot inject the pod: its operating system is "windows", wanted linux (there is no other image)');
  }
  if (
    spec.hostNetwork === true &&
    (annotations['grpc-port'] === undefined || annotations['admin-port'] === undefined)
  ) {
    problems.push(
      "Cannot inject the pod: spec.hostNetwork is true, so that ports are the node's, wanted annotations pannier.dev/grpc-port and pannier.dev/admin-port with ports that no other pod of the node uses",
    );
  }
  const restartPolicy = spec.restartPolicy ?? 'Always';
  if (!sidecar.isNative && restartPolicy !== 'Always') {
    const job = pod.metadata?.ownerReferences?.find((owner) => owner.kind === 'Job');
    const what = job === undefined ? `spec.restartPolicy is "${restartPolicy}"` : `it belongs to Job ${job.name}`;
    problems.push(
      `Cannot inject the pod: ${what}, and a sidecar that is a plain container would keep it from ever completing, wanted kubelets of 1.29 or newer, or annotation pannier.dev/native: "true"`,
    );
  }
  return problems;
}

function containerClashes(container: Container, sidecar: Sidecar): string[] {
  const problems: string[] = [];
  if (container.name === SIDECAR_NAME) {
    problems.push(
      `Cannot inject the pod: it has a container called ${SIDECAR_NAME} that is not the injector's, wanted another name`,
    );
  }
  const wantedPorts = [
    { port: sidecar.grpcPort, annotation: 'grpc-port' },
    { port: sidecar.adminPort, annotation: 'admin-port' },
  ];
  for (const { port, annotation } of wantedPorts) {
    const isTaken = container.ports?.some(
      (candidate) => candidate.containerPort === port && (candidate.protocol ?? 'TCP') === 'TCP',
    );
    if (isTaken === true) {
      problems.push(
        `Cannot inject the pod: port ${port} is container ${container.name}'s, wanted another one in annotation pannier.dev/${annotation}`,
      );
    }
  }
  const mount = container.volumeMounts?.find((candidate) => isSocketDirectory(candidate.mountPath));
  if (sidecar.hasSocket && mount !== undefined && mount.name !== SOCKET_VOLUME) {
    problems.push(
      `Cannot inject the pod: container ${container.name} mounts ${mount.name} at ${SOCKET_DIRECTORY}, wanted another place, or annotation pannier.dev/socket: "false"`,
    );
  }
  return problems;
}

function volumeClashes({ pod, sidecar, previous }: ClashQuestion): string[] {
  const own = new Set((pod.spec?.volumes ?? []).map((volume) => volume.name));
  const clashing = sidecarVolumes(sidecar).filter(({ name }) => own.has(name) && previous?.volumes.has(name) !== true);
  return clashing.map(
    ({ name }) =>
      `Cannot inject the pod: it has a volume called ${name} that is not the injector's, wanted another name`,
  );
}
