/**
 * Checks and reads the files that settings name: passwords, TLS files and the subject key. The module policy-watch.ts
 * reads the policy file.
 *
 * Invariants:
 *   1. With PANNIER_REDIS_FILES_OPTIONAL, a setting whose file is missing or blank is treated as unset. Without this
 *      variable, such a file is a problem.
 *   2. No error text quotes the content of a file.
 */
import { readFile } from 'node:fs/promises';
import {
  type FileOfSetting,
  type FileReading,
  fileProblem,
  isSkipped,
  isSkippedError,
  readFileAtStart,
  readFileNow,
} from './file-reading.ts';
import type { SettingProblem, Settings } from './load.ts';
import { authoritiesOf, type ClientPair, clientPairOf, type Material } from './tls-material.ts';

/** Minimum length of the subject key. A shorter key can be found by brute force. */
const MIN_SUBJECT_KEY_BYTES = 16;

type FileRole = 'password' | 'sentinelPassword' | 'ca' | 'cert' | 'key' | 'subjectKey';

/** Returns a problem for every file that would prevent the sidecar from starting or from connecting to Redis. */
export function findFileProblems(settings: Settings): SettingProblem[] {
  const { password, sentinelPassword, ca, cert, key, subjectKey } = filesOf(settings);
  const passwordReading = readFileAtStart(settings, password);
  const sentinelPasswordReading = readFileAtStart(settings, sentinelPassword);
  const materials: Material<unknown>[] = [
    authoritiesOf(readFileAtStart(settings, ca)),
    clientPairOf(readFileAtStart(settings, cert), readFileAtStart(settings, key)),
    subjectKeyOf(readFileAtStart(settings, subjectKey)),
  ];
  return [
    ...('problem' in passwordReading ? [passwordReading.problem] : []),
    ...('problem' in sentinelPasswordReading ? [sentinelPasswordReading.problem] : []),
    ...materials.flatMap((material) => ('problems' in material ? material.problems : [])),
  ];
}

export interface TlsMaterial {
  readonly ca: Material<Buffer | undefined>;
  readonly clientPair: Material<ClientPair | undefined>;
}

/** Reads the current content of the TLS files. */
export async function readTlsMaterial(settings: Settings): Promise<TlsMaterial> {
  const { ca, cert, key } = filesOf(settings);
  const [caReading, certReading, keyReading] = await Promise.all([
    readFileNow(settings, ca),
    readFileNow(settings, cert),
    readFileNow(settings, key),
  ]);
  return { ca: authoritiesOf(caReading), clientPair: clientPairOf(certReading, keyReading) };
}

/** Reads the key of PANNIER_SUBJECT_KEY_FILE without its line end. Throws if the file cannot be used. */
export function readSubjectKey(settings: Settings): Buffer | undefined {
  const key = subjectKeyOf(readFileAtStart(settings, filesOf(settings).subjectKey));
  if ('problems' in key) {
    throw new Error(key.problems[0].message);
  }
  return key.value;
}

/**
 * Reads the current password of PANNIER_REDIS_PASSWORD_FILE without its line end. Rejects if the file cannot be read.
 */
export function readRedisPassword(settings: Settings): Promise<string | undefined> {
  return readPassword(settings, settings.redisPasswordFile);
}

/** Reads the current password of PANNIER_REDIS_SENTINEL_PASSWORD_FILE without its line end. */
export function readSentinelPassword(settings: Settings): Promise<string | undefined> {
  return readPassword(settings, settings.redisSentinelPasswordFile);
}

async function readPassword(settings: Settings, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) {
    return undefined;
  }
  try {
    const content = await readFile(path);
    return isSkipped(settings, content) ? undefined : withoutLineEnd(content).toString();
  } catch (error) {
    if (isSkippedError(settings, error)) {
      return undefined;
    }
    throw error;
  }
}

function filesOf(settings: Settings): Readonly<Record<FileRole, FileOfSetting>> {
  return {
    password: { name: 'PANNIER_REDIS_PASSWORD_FILE', path: settings.redisPasswordFile },
    sentinelPassword: { name: 'PANNIER_REDIS_SENTINEL_PASSWORD_FILE', path: settings.redisSentinelPasswordFile },
    ca: { name: 'PANNIER_REDIS_TLS_CA_FILE', path: settings.redisTlsCaFile },
    cert: { name: 'PANNIER_REDIS_TLS_CERT_FILE', path: settings.redisTlsCertFile },
    key: { name: 'PANNIER_REDIS_TLS_KEY_FILE', path: settings.redisTlsKeyFile },
    subjectKey: { name: 'PANNIER_SUBJECT_KEY_FILE', path: settings.subjectKeyFile },
  };
}

function subjectKeyOf(reading: FileReading): Material<Buffer | undefined> {
  if ('problem' in reading) {
    return { problems: [reading.problem] };
  }
  const key = reading.content === undefined ? undefined : withoutLineEnd(reading.content);
  if (key === undefined || key.length >= MIN_SUBJECT_KEY_BYTES) {
    return { value: key };
  }
  const cause = `the key has ${key.length} bytes; use a key of ${MIN_SUBJECT_KEY_BYTES} bytes or more`;
  return { problems: [fileProblem(reading, cause)] };
}

/** Drops one trailing line end, because editors and `echo` add a line end. */
function withoutLineEnd(content: Buffer): Buffer {
  const text = content.toString('latin1');
  return content.subarray(0, text.replace(/\r?\n$/, '').length);
}
