/**
 * Finds containers whose `envFrom` may define a variable that injection also sets.
 *
 * In Kubernetes, `env` takes precedence over `envFrom`, and injection cannot read the ConfigMaps and Secrets of
 * `envFrom`. Therefore injection sets its variables in every case, and a note reports how to keep another value.
 */
import type { Container, PodSpec } from './pod.ts';
import { endpointsOf, SIDECAR_NAME, type Sidecar } from './sidecar.ts';

export function envFromNotes(sidecar: Sidecar, spec: PodSpec): string[] {
  const containers = [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
  return containers
    .filter((container) => container.name !== SIDECAR_NAME && hasEnvFrom(container))
    .flatMap((container) => {
      const names = injectedNames(sidecar, container);
      return names.length === 0
        ? []
        : [
            `injection sets ${names.join(' and ')} in env of container ${container.name}, which overrides a variable of the same name from its envFrom; to keep your value, set the variable in env`,
          ];
    });
}

function hasEnvFrom(container: Container): boolean {
  return Array.isArray(container.envFrom) && container.envFrom.length > 0;
}

/** Returns the variables that injection adds to the container, or has already added. */
function injectedNames(sidecar: Sidecar, container: Container): string[] {
  return [...endpointsOf(sidecar)]
    .filter(([name, value]) => {
      const own = container.env?.find((variable) => variable.name === name);
      return own === undefined || own.value === value;
    })
    .map(([name]) => name);
}
