/**
 * The files that settings name, besides the policy file: whether they can be used, and what they hold.
 *
 * Promises: a file that may be missing (PANNIER_REDIS_FILES_OPTIONAL) and is, or is blank, counts as not set; no problem quotes content.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { readFailureCode } from '../lib/system-code.ts';
import type { SettingProblem, Settings } from './load.ts';

/** Fewer can be tried one by one. */
const SUBJECT_KEY_BYTES_MIN = 16;

/** Every file that the start would fail with, or that no connection could ever be made with. */
export function findFileProblems(settings: Settings): SettingProblem[] {
  return [
    ...problemOf(settings, 'PANNIER_REDIS_PASSWORD_FILE', settings.redisPasswordFile, () => undefined),
    ...problemOf(settings, 'PANNIER_REDIS_TLS_CA_FILE', settings.redisTlsCaFile, certificateProblem),
    ...problemOf(settings, 'PANNIER_SUBJECT_KEY_FILE', settings.subjectKeyFile, subjectKeyProblem),
  ];
}

/** The certificates of PANNIER_REDIS_TLS_CA_FILE. Throws when they cannot be read. */
export function readTlsCa(settings: Settings): Buffer | undefined {
  return readOrSkip(settings, settings.redisTlsCaFile);
}

/** The key of PANNIER_SUBJECT_KEY_FILE, without the line end. Throws when it cannot be read. */
export function readSubjectKey(settings: Settings): Buffer | undefined {
  const content = readOrSkip(settings, settings.subjectKeyFile);
  return content === undefined ? undefined : withoutLineEnd(content);
}

/** The password of PANNIER_REDIS_PASSWORD_FILE as it is now, without the line end. Rejects when it cannot be read. */
export async function readRedisPassword(settings: Settings): Promise<string | undefined> {
  const path = settings.redisPasswordFile;
  if (path === undefined) {
    return undefined;
  }
  try {
    const content = await readFile(path);
    return isSkipped(settings, content) ? undefined : withoutLineEnd(content).toString();
  } catch (error) {
    return undefinedWhereMissing(settings, error);
  }
}

function problemOf(
  settings: Settings,
  name: string,
  path: string | undefined,
  contentProblem: (content: Buffer) => string | undefined,
): SettingProblem[] {
  try {
    const content = readOrSkip(settings, path);
    if (content === undefined) {
      return [];
    }
    const problem = isBlank(content) ? 'which is empty, wanted content' : contentProblem(content);
    return problem === undefined
      ? []
      : [{ name, message: `Cannot use ${name}: it is ${JSON.stringify(path)}, ${problem}` }];
  } catch (error) {
    const found = `it is ${JSON.stringify(path)}, which the system does not read (${readFailureCode(error)})`;
    return [{ name, message: `Cannot use ${name}: ${found}, wanted a readable file` }];
  }
}

/** Undefined: not set, or as if it were not. */
function readOrSkip(settings: Settings, path: string | undefined): Buffer | undefined {
  if (path === undefined) {
    return undefined;
  }
  try {
    const content = readFileSync(path);
    return isSkipped(settings, content) ? undefined : content;
  } catch (error) {
    return undefinedWhereMissing(settings, error);
  }
}

function isSkipped(settings: Settings, content: Buffer): boolean {
  return settings.redisFilesOptional && isBlank(content);
}

function undefinedWhereMissing(settings: Settings, error: unknown): undefined {
  if (!settings.redisFilesOptional || !['ENOENT', 'ENOTDIR'].includes(readFailureCode(error))) {
    throw error;
  }
}

/** Node takes bytes that are no certificate for an empty list, and then trusts no server. */
function certificateProblem(content: Buffer): string | undefined {
  try {
    new X509Certificate(content);
    return undefined;
  } catch {
    return 'which holds no certificate, wanted certificates in PEM';
  }
}

function subjectKeyProblem(content: Buffer): string | undefined {
  const { length } = withoutLineEnd(content);
  return length < SUBJECT_KEY_BYTES_MIN
    ? `which holds ${length} bytes, wanted a key of ${SUBJECT_KEY_BYTES_MIN} bytes or more`
    : undefined;
}

/** Editors and `echo` end a file with one. */
function withoutLineEnd(content: Buffer): Buffer {
  const text = content.toString('latin1');
  return content.subarray(0, text.replace(/\r?\n$/, '').length);
}

function isBlank(content: Buffer): boolean {
  return content.toString('latin1').trim() === '';
}
