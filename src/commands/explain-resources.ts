/**
 * Builds the lines of `pannier injection explain` on resources: whether the quality-of-service class of the pod
 * changes, and which configured values the pod-level resources replace.
 */
import { annotationKey } from '../injection/annotations.ts';
import type { Pod } from '../injection/pod.ts';
import { podLevelResources, quantitiesOf } from '../injection/pod-resources.ts';
import { findPrevious } from '../injection/previous.ts';
import { qualityOfService } from '../injection/quality-of-service.ts';
import { isObject, own } from '../lib/json.ts';

/** CPU of a suggestion for a sidecar that requests less. A lower CPU limit would delay calls noticeably. */
const SUGGESTED_CPU = '50m';
const SUGGESTED_CORES = 0.05;
const SUGGESTED_MEMORY = '192Mi';

/** Returns no line if injection changes neither the class nor the configured values. */
export function resourceLines(before: Pod, after: Pod): string[] {
  return [...classLines(before, after), ...podLevelLines(before)];
}

function classLines(before: Pod, after: Pod): string[] {
  const old = qualityOfService(before);
  const current = qualityOfService(after);
  if (old === current || findPrevious(before) !== undefined) {
    return [];
  }
  const change = `  quality of service: changes from ${old} to ${current}`;
  return old === 'Guaranteed'
    ? [`${change}; to keep ${old}, set these annotations:`, ...guaranteedLines(after)]
    : [`${change}, because the sidecar requests resources`];
}

/** Returns the annotations that give the sidecar equal requests and limits, with at least its present resources. */
function guaranteedLines(after: Pod): string[] {
  const resources = findPrevious(after)?.container.resources;
  const limits = isObject(resources) ? own(resources, 'limits') : undefined;
  const textOf = (list: unknown, name: string): string | undefined => {
    const value = isObject(list) ? own(list, name) : undefined;
    return typeof value === 'string' ? value : undefined;
  };
  const requests = isObject(resources) ? own(resources, 'requests') : undefined;
  const cores = quantitiesOf(resources).requests.get('cpu') ?? 0;
  const request = cores > SUGGESTED_CORES ? textOf(requests, 'cpu') : undefined;
  const cpu = textOf(limits, 'cpu') ?? request ?? SUGGESTED_CPU;
  const memory = textOf(limits, 'memory') ?? textOf(requests, 'memory') ?? SUGGESTED_MEMORY;
  const annotations = [
    ['cpu-request', cpu],
    ['cpu-limit', cpu],
    ['memory-request', memory],
    ['memory-limit', memory],
  ] as const;
  return annotations.map(([name, value]) => `    ${annotationKey(name)}: ${JSON.stringify(value)}`);
}

function podLevelLines(before: Pod): string[] {
  const names = [...podLevelResources(before, findPrevious(before)?.container)];
  return names.length === 0
    ? []
    : [
        `  spec.resources: replaces the configured ${names.join(' and ')} of the sidecar; annotations of the pod still apply`,
      ];
}
