/**
 * One file of a setting as it was read: its content, that it counts as not set, or why it cannot be used.
 *
 * Promises: a file that may be missing (PANNIER_REDIS_FILES_OPTIONAL) and is, or is blank, counts as not set; no problem quotes content.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { readFailureCode } from '../lib/system-code.ts';
import type { SettingProblem, Settings } from './load.ts';

export interface FileOfSetting {
  /** The variable, with its prefix. */
  readonly name: string;
  readonly path: string | undefined;
}

/** Its content is undefined where it counts as not set. */
export type FileReading = FileOfSetting &
  ({ readonly content: Buffer | undefined } | { readonly problem: SettingProblem });

export function readFileAtStart(settings: Settings, file: FileOfSetting): FileReading {
  try {
    return readingOf(settings, file, file.path === undefined ? undefined : readFileSync(file.path));
  } catch (error) {
    return failedReading(settings, file, error);
  }
}

/** Never rejects. */
export async function readFileNow(settings: Settings, file: FileOfSetting): Promise<FileReading> {
  try {
    return readingOf(settings, file, file.path === undefined ? undefined : await readFile(file.path));
  } catch (error) {
    return failedReading(settings, file, error);
  }
}

export function fileProblem({ name, path }: FileOfSetting, found: string): SettingProblem {
  return { name, message: `cannot use ${name}: it is ${JSON.stringify(path)}, ${found}` };
}

/** Whether a file with this content counts as not set. */
export function isSkipped(settings: Settings, content: Buffer): boolean {
  return settings.redisFilesOptional && isBlank(content);
}

/** Whether a file that failed to be read like this counts as not set. */
export function isSkippedError(settings: Settings, error: unknown): boolean {
  return settings.redisFilesOptional && ['ENOENT', 'ENOTDIR'].includes(readFailureCode(error));
}

function readingOf(settings: Settings, file: FileOfSetting, content: Buffer | undefined): FileReading {
  if (content === undefined || isSkipped(settings, content)) {
    return { ...file, content: undefined };
  }
  return isBlank(content)
    ? { ...file, problem: fileProblem(file, 'which is empty, wanted content') }
    : { ...file, content };
}

function failedReading(settings: Settings, file: FileOfSetting, error: unknown): FileReading {
  if (isSkippedError(settings, error)) {
    return { ...file, content: undefined };
  }
  const found = `which the system does not read (${readFailureCode(error)}), wanted a readable file`;
  return { ...file, problem: fileProblem(file, found) };
}

function isBlank(content: Buffer): boolean {
  return content.toString('latin1').trim() === '';
}
