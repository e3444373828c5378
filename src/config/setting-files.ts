/**
 * The files that settings name, besides the policy file: whether they can be used, and what they hold.
 *
 * Promises: a file that may be missing (PANNIER_REDIS_FILES_OPTIONAL) and is, or is blank, counts as not set; no problem quotes content.
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

/** Fewer can be tried one by one. */
const MIN_SUBJECT_KEY_BYTES = 16;

type FileRole = 'password' | 'sentinelPassword' | 'ca' | 'cert' | 'key' | 'subjectKey';

/** Every file that the start would fail with, or that no connection could ever be made with. */
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

/** What the TLS files hold now. */
export async function readTlsMaterial(settings: Settings): Promise<TlsMaterial> {
  const { ca, cert, key } = filesOf(settings);
  const [caReading, certReading, keyReading] = await Promise.all([
    readFileNow(settings, ca),
    readFileNow(settings, cert),
    readFileNow(settings, key),
  ]);
  return { ca: authoritiesOf(caReading), clientPair: clientPairOf(certReading, keyReading) };
}

/** The key of PANNIER_SUBJECT_KEY_FILE, without the line end. Throws when it cannot be read. */
export function readSubjectKey(settings: Settings): Buffer | undefined {
  const key = subjectKeyOf(readFileAtStart(settings, filesOf(settings).subjectKey));
  if ('problems' in key) {
    throw new Error(key.problems[0].message);
  }
  return key.value;
}

/** The password of PANNIER_REDIS_PASSWORD_FILE as it is now, without the line end. Rejects when it cannot be read. */
export function readRedisPassword(settings: Settings): Promise<string | undefined> {
  return readPassword(settings, settings.redisPasswordFile);
}

/** The same of PANNIER_REDIS_SENTINEL_PASSWORD_FILE. */
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
  const found = `which holds ${key.length} bytes, wanted a key of ${MIN_SUBJECT_KEY_BYTES} bytes or more`;
  return { problems: [fileProblem(reading, found)] };
}

/** Editors and `echo` end a file with one. */
function withoutLineEnd(content: Buffer): Buffer {
  const text = content.toString('latin1');
  return content.subarray(0, text.replace(/\r?\n$/, '').length);
}
