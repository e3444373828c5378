/**
 * Reads a file that a setting names. The result is the content of the file, undefined if the setting is treated as
 * unset, or a problem.
 *
 * Invariants:
 *   1. With PANNIER_REDIS_FILES_OPTIONAL, a setting whose file is missing or blank is treated as unset. Without this
 *      variable, such a file is a problem.
 *   2. No error text quotes the content of a file.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { readFailureCode } from '../lib/system-code.ts';
import type { SettingProblem, Settings } from './load.ts';

export interface FileOfSetting {
  /** Name of the variable, with its prefix. */
  readonly name: string;
  readonly path: string | undefined;
}

/** Result of reading a file. The content is undefined if the setting is treated as unset. */
export type FileReading = FileOfSetting &
  ({ readonly content: Buffer | undefined } | { readonly problem: SettingProblem });

export function readFileAtStart(settings: Settings, file: FileOfSetting): FileReading {
  try {
    return readingOf(settings, file, file.path === undefined ? undefined : readFileSync(file.path));
  } catch (error) {
    return failedReading(settings, file, error);
  }
}

/** Reads the file asynchronously. Never rejects: returns an error as a problem. */
export async function readFileNow(settings: Settings, file: FileOfSetting): Promise<FileReading> {
  try {
    return readingOf(settings, file, file.path === undefined ? undefined : await readFile(file.path));
  } catch (error) {
    return failedReading(settings, file, error);
  }
}

/**
 * Returns a problem that states why a file cannot be used. `cause` may end with a remedy: `the file is empty; write…`.
 */
export function fileProblem({ name, path }: FileOfSetting, cause: string): SettingProblem {
  return { name, message: `cannot use ${name} ${JSON.stringify(path)}: ${cause}` };
}

/** Returns whether a setting is treated as unset because its file is blank. */
export function isSkipped(settings: Settings, content: Buffer): boolean {
  return settings.redisFilesOptional && isBlank(content);
}

/** Returns whether a setting is treated as unset because its file is missing. */
export function isSkippedError(settings: Settings, error: unknown): boolean {
  return settings.redisFilesOptional && ['ENOENT', 'ENOTDIR'].includes(readFailureCode(error));
}

function readingOf(settings: Settings, file: FileOfSetting, content: Buffer | undefined): FileReading {
  if (content === undefined || isSkipped(settings, content)) {
    return { ...file, content: undefined };
  }
  return isBlank(content)
    ? { ...file, problem: fileProblem(file, `the file is empty; write its content or unset ${file.name}`) }
    : { ...file, content };
}

function failedReading(settings: Settings, file: FileOfSetting, error: unknown): FileReading {
  if (isSkippedError(settings, error)) {
    return { ...file, content: undefined };
  }
  return { ...file, problem: fileProblem(file, `${readFailureCode(error)}; use a readable file`) };
}

function isBlank(content: Buffer): boolean {
  return content.toString('latin1').trim() === '';
}
