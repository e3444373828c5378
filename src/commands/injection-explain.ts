/**
 * `pannier injection explain -f FILE`: prints for each workload whether its pods get a sidecar, why, and the source of
 * each value.
 */
import { ANNOTATION_PREFIX, ANNOTATIONS, type AnnotationRow, INJECT } from '../injection/annotations.ts';
import type { Pod } from '../injection/pod.ts';
import { findPrevious } from '../injection/previous.ts';
import { SIDECAR_NAME } from '../injection/sidecar.ts';
import type { SidecarConfig } from '../injection/sidecar-config.ts';
import type { WorkloadOutcome } from '../manifests/edit-manifests.ts';
import { workloadText } from '../manifests/workloads.ts';
import { resourceLines } from './explain-resources.ts';
import { type InjectFlags, injectAsRequested } from './inject.ts';
import type { FilesIo } from './manifest-io.ts';
import { printRemarks } from './manifest-report.ts';

/**
 * Returns the exit code: 0 if every pod that requests a sidecar gets one, 1 if a pod would be refused or left out, and 2
 * if the input is invalid.
 */
export function runExplain(flags: InjectFlags, io: FilesIo): number {
  const result = injectAsRequested(flags, io);
  if (result === undefined) {
    return 2;
  }
  const { files, config } = result;
  const outcomes = files.flatMap((file) => file.outcomes);
  const leftOut = files.flatMap((file) => file.leftOut);
  if (outcomes.length === 0 && leftOut.length === 0) {
    io.out('these manifests contain no pods\n');
  }
  for (const file of files) {
    const prefix = files.length > 1 ? `${file.name}: ` : '';
    for (const outcome of file.outcomes) {
      io.out(`${prefix}${explain(outcome, config).join('\n')}\n`);
    }
  }
  printRemarks(files, io);
  return leftOut.length > 0 || outcomes.some(({ injection }) => injection.kind === 'refuse') ? 1 : 0;
}

function explain({ workload, injection }: WorkloadOutcome, config: SidecarConfig): string[] {
  const name = workloadText(workload);
  switch (injection.kind) {
    case 'skip':
      return [`${name}: no sidecar, ${injection.reason}`];
    case 'refuse':
      return [`${name}: would be refused`, ...injection.problems.map((problem) => `  ${problem}`)];
    case 'inject':
      return [
        `${name}: ${effect(workload.pod, injection.pod)}`,
        ...valueLines(workload.pod, config),
        ...resourceLines(workload.pod, injection.pod),
        ...injection.notes.map((note) => `  note: ${note}`),
      ];
  }
}

function effect(before: Pod, after: Pod): string {
  const isNative = after.spec?.initContainers?.some((container) => container.name === SIDECAR_NAME) === true;
  const kind = isNative ? 'a native sidecar (init container that keeps running)' : 'a sidecar as a plain container';
  const requestedBy = before.metadata?.annotations?.[INJECT] === 'true' ? 'pod' : 'namespace';
  return `${findPrevious(before) === undefined ? 'gets' : 'keeps'} ${kind}, requested by its ${requestedBy}`;
}

function valueLines(pod: Pod, config: SidecarConfig): string[] {
  const rows = (ANNOTATIONS as readonly AnnotationRow[]).filter((row) => row.name !== 'inject');
  const width = Math.max(...rows.map((row) => row.name.length));
  return rows.map((row) => {
    const given = pod.metadata?.annotations?.[ANNOTATION_PREFIX + row.name];
    const initial = row.initialOf(config);
    const text = given === undefined ? (initial.text ?? 'none') : shown(row, given);
    return `  ${row.name.padEnd(width)}  ${text} (${given === undefined ? initial.source : 'annotation'})`;
  });
}

function shown(row: AnnotationRow, text: string): string {
  return row.kind.isSecret === true ? 'not shown because it may hold a password' : (row.kind.show?.(text) ?? text);
}
