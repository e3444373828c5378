/**
 * What an earlier injection left in a pod: read from the pod itself, since nothing else remembers it.
 */
import { STATUS_ANNOTATIONS } from './annotations.ts';
import type { Container, Pod } from './pod.ts';
import {
  endpointsOf,
  POLICIES_VOLUME,
  REDIS_TLS_VOLUME,
  REDIS_VOLUME,
  SIDECAR_NAME,
  type Sidecar,
  SOCKET_VOLUME,
} from './sidecar.ts';

export interface Previous {
  readonly container: Container;
  readonly configHash: string | undefined;
  readonly version: string | undefined;
  readonly endpoints: ReadonlyMap<string, string>;
  readonly volumes: ReadonlySet<string>;
  readonly kept: Kept;
}

/**
 * What the user had written already and injection would else have added: uninjecting must leave it. Words such as `default-container`,
 * `app/env/PANNIER_ADDRESS`, `empty:app/env` (a list without entries) or `null:app/env`, in the annotation pannier.dev/kept where there is any.
 */
export type Kept = ReadonlySet<string>;

const OWN_VOLUMES = new Set([SOCKET_VOLUME, POLICIES_VOLUME, REDIS_VOLUME, REDIS_TLS_VOLUME]);

/** Undefined: the pod bears no sidecar of ours. A user's own container called pannier is none. */
export function findPrevious(pod: Pod): Previous | undefined {
  const annotations = pod.metadata?.annotations ?? {};
  if (annotations[STATUS_ANNOTATIONS.injected] !== 'true') {
    return undefined;
  }
  const container = pod.spec?.initContainers?.find(isOurs) ?? pod.spec?.containers?.find(isOurs);
  if (container === undefined) {
    return undefined;
  }
  return {
    container,
    configHash: annotations[STATUS_ANNOTATIONS.configHash],
    version: annotations[STATUS_ANNOTATIONS.version],
    endpoints: endpointsOf(endpointsIn(container)),
    volumes: new Set((container.volumeMounts ?? []).map((mount) => mount.name).filter((name) => OWN_VOLUMES.has(name))),
    kept: new Set((annotations[STATUS_ANNOTATIONS.kept] ?? '').split(',').filter((word) => word !== '')),
  };
}

function isOurs(container: Container): boolean {
  return container.name === SIDECAR_NAME && valueIn(container, 'PANNIER_GRPC_ADDRESS') !== undefined;
}

function endpointsIn(container: Container): Pick<Sidecar, 'grpcPort' | 'hasSocket'> {
  const address = valueIn(container, 'PANNIER_GRPC_ADDRESS') ?? '';
  return {
    grpcPort: Number(address.slice(address.lastIndexOf(':') + 1)),
    hasSocket: valueIn(container, 'PANNIER_GRPC_SOCKET') !== undefined,
  };
}

function valueIn(container: Container, name: string): string | undefined {
  return container.env?.find((variable) => variable.name === name)?.value;
}
