/**
 * Finds the sidecar that an earlier injection added to a pod. The pod itself is the only record of that injection.
 */
import { STATUS_ANNOTATIONS } from './annotations.ts';
import type { Container, Pod } from './pod.ts';
import {
  endpointsOf,
  NO_TOKEN_VOLUME,
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
  readonly added: Added;
}

/**
 * Parts that injection would have added if the user had not already written them. Uninjecting must keep these parts.
 * The annotation pannier.dev/kept lists them as words such as `default-container`, `app/env/PANNIER_ADDRESS`,
 * `empty:app/env` (an empty list) or `null:app/env`.
 */
export type Kept = ReadonlySet<string>;

/**
 * Entries that injection has added to lists of the pod and that cannot be recognized by themselves. The annotation
 * pannier.dev/added lists them as words such as `imagePullSecrets/regcred`.
 */
type Added = ReadonlySet<string>;

const OWN_VOLUMES = new Set([SOCKET_VOLUME, POLICIES_VOLUME, REDIS_VOLUME, REDIS_TLS_VOLUME, NO_TOKEN_VOLUME]);

/**
 * Returns undefined if the pod has no injected sidecar. A container named pannier that the user wrote is not an
 * injected sidecar.
 */
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
    kept: wordsOf(annotations[STATUS_ANNOTATIONS.kept]),
    added: wordsOf(annotations[STATUS_ANNOTATIONS.added]),
  };
}

function wordsOf(list: string | undefined): ReadonlySet<string> {
  return new Set((list ?? '').split(',').filter((word) => word !== ''));
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
