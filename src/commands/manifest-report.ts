/**
 * Runs an edit on all files of a command, prints what happened to each workload, and writes the joined result.
 *
 * Invariants:
 *   1. An error begins with `<file>:<line>:<column>:`, as far as the position is known.
 *   2. Other lines begin with `<file>:` if there are several files.
 *   3. The command writes nothing to standard output if a pod was refused, a part was left out, or a file has an error.
 */
import type { EditedManifests, ManifestResult, Remark, WorkloadOutcome } from '../manifests/edit-manifests.ts';
import { joinStream } from '../manifests/join-stream.ts';
import { problemText } from '../manifests/manifest-problem.ts';
import type { Position } from '../manifests/positions.ts';
import { type KindTable, kindTable, parseKind } from '../manifests/template-kinds.ts';
import { workloadText } from '../manifests/workloads.ts';
import { type FileFlags, readManifestFiles } from './manifest-files.ts';
import type { FilesIo, ManifestIo } from './manifest-io.ts';

export interface EditFlags extends FileFlags {
  /** Further kinds with pod templates, such as `example.com/Worker=spec.podTemplate`. */
  readonly kind?: readonly string[];
}

export interface EditedFile extends EditedManifests {
  /** Name of the file for messages. */
  readonly name: string;
}

/** Returns the edited files. If there is an error, prints it and returns undefined. */
export function editNamedFiles(
  flags: EditFlags,
  edit: (texts: readonly string[], kinds: KindTable) => readonly ManifestResult[],
  io: FilesIo,
): EditedFile[] | undefined {
  const kinds = readKinds(flags.kind ?? [], io);
  const files = kinds === undefined ? undefined : readManifestFiles(flags, io);
  if (kinds === undefined || files === undefined) {
    return undefined;
  }
  const results = edit(
    files.map(({ text }) => text),
    kinds,
  );
  const edited = results.flatMap((result, index) => {
    const name = files[index]?.name ?? '';
    if ('text' in result) {
      return [{ ...result, name }];
    }
    for (const problem of result.problems) {
      io.error(problemText(name, problem));
    }
    return [];
  });
  return edited.length === files.length ? edited : undefined;
}

function readKinds(texts: readonly string[], io: ManifestIo): KindTable | undefined {
  const rows = texts.map((text) => {
    const row = parseKind(text);
    if (row === undefined) {
      const accepted = 'GROUP/Kind=path without a version, such as example.com/Worker=spec.podTemplate';
      io.error(`--kind must be ${accepted}, got ${JSON.stringify(text)}`);
    }
    return row;
  });
  return rows.every((row) => row !== undefined) ? kindTable(rows) : undefined;
}

/** Verb for a pod that was edited, such as `injected`. */
type Done = 'injected' | 'uninjected';

/** Prints what happened to each workload, and writes the result. Returns the exit code. */
export function reportAndWrite(files: readonly EditedFile[], done: Done, io: ManifestIo): number {
  const counts = { [done]: 0, unchanged: 0, refused: 0 };
  for (const file of files) {
    for (const outcome of file.outcomes) {
      const { effect, lines } = describe(outcome, done);
      counts[effect] = (counts[effect] ?? 0) + 1;
      for (const { position, text } of lines) {
        const hasFile = effect === 'refused' || files.length > 1;
        io.error(hasFile ? problemText(file.name, { ...position, message: text }) : text);
      }
    }
  }
  printRemarks(files, io);
  const leftOut = files.reduce((sum, file) => sum + file.leftOut.length, 0);
  const isComplete = counts.refused === 0 && leftOut === 0;
  if (files.length > 1) {
    const texts = Object.entries(counts).map(([effect, count]) => `${count} ${effect}`);
    const failure = isComplete ? [] : [`${leftOut} left out; no manifests were written`];
    io.error([...texts, ...failure].join(', '));
  }
  if (isComplete) {
    io.out(joinStream(files.map(({ text }) => text)));
  }
  return isComplete ? 0 : 1;
}

interface Description {
  readonly effect: Done | 'unchanged' | 'refused';
  readonly lines: readonly { readonly position?: Position | undefined; readonly text: string }[];
}

function describe({ workload, injection, positionOf }: WorkloadOutcome, done: Done): Description {
  const name = workloadText(workload);
  switch (injection.kind) {
    case 'inject': {
      const isCurrent = done === 'injected' && injection.patch.length === 0;
      const text = `${name}: ${isCurrent ? 'already has its sidecar' : done}`;
      const notes = injection.notes.map((note) => ({ text: `${name}: note: ${note}` }));
      return { effect: isCurrent ? 'unchanged' : done, lines: [{ text }, ...notes] };
    }
    case 'skip':
      return { effect: 'unchanged', lines: [{ text: `${name}: unchanged, ${injection.reason}` }] };
    case 'refuse': {
      const lines = injection.problems.map((text) => ({ position: positionOf(text), text: `${name}: ${text}` }));
      return { effect: 'refused', lines };
    }
  }
}

/** Prints the parts that were left out, and the notes. */
export function printRemarks(files: readonly EditedFile[], io: ManifestIo): void {
  const line = (name: string, { object, message, position }: Remark): string =>
    problemText(name, { ...position, message: `${workloadText(object)}: ${message}` });
  for (const { name, notes } of files) {
    for (const note of notes) {
      io.error(line(name, note));
    }
  }
  for (const { name, leftOut } of files) {
    for (const part of leftOut) {
      io.error(line(name, part));
    }
  }
}
