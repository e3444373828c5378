/**
 * The files that settings name, besides the policy file: whether they can be used, and what they hold.
 *
 * Promises: a file that may be missing (PANNIER_REDIS_FILES_OPTIONAL) and is, or is blank, counts as not set; no problem quotes content.
 */
import { readFile } from 'node:fs/promises';
import { type FileOfSetting, isSkipped, isSkippedError, readFileAtStart, readFileNow } from './file-reading.ts';
import type { SettingProblem, Settings } from './load.ts';
import { authoritiesOf, type ClientPair, clientPairOf, type Material } from './tls-material.ts';

/** Every file that the start would fail with, or that no connection could ever be made with. */
export function findFileProblems(settings: Settings): SettingProblem[] {
  const { password, sentinelPassword, ca, cert, key } = filesOf(settings);
  const passwordReading = readFileAtStart(settings, password);
  const sentinelPasswordReading = readFileAtStart(settings, sentinelPassword);
  const materials: Material<unknown>[] = [
    authoritiesOf(readFileAtStart(settings, ca)),
    clientPairOf(readFileAtStart(settings, cert), readFileAtStart(settings, key)),
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
    return isSkipped(settings, content) ? undefined : content.toString().replace(/\r?\n$/, '');
  } catch (error) {
    if (isSkippedError(settings, error)) {
      return undefined;
    }
    throw error;
  }
}

function filesOf(
  settings: Settings,
): Readonly<Record<'password' | 'sentinelPassword' | 'ca' | 'cert' | 'key', FileOfSetting>> {
  return {
    password: { name: 'PANNIER_REDIS_PASSWORD_FILE', path: settings.redisPasswordFile },
    sentinelPassword: { name: 'PANNIER_REDIS_SENTINEL_PASSWORD_FILE', path: settings.redisSentinelPasswordFile },
    ca: { name: 'PANNIER_REDIS_TLS_CA_FILE', path: settings.redisTlsCaFile },
    cert: { name: 'PANNIER_REDIS_TLS_CERT_FILE', path: settings.redisTlsCertFile },
    key: { name: 'PANNIER_REDIS_TLS_KEY_FILE', path: settings.redisTlsKeyFile },
  };
}
