/**
 * Detects which of the needed permissions the Redis user lacks, over a separate connection.
 *
 *   1. Redis checks permissions before it runs a command, so a probe command need not have an effect. Every probe
 *      command uses a key that does not exist, or arguments that Redis rejects after the permission check. So a probe
 *      never writes, whichever permissions are missing.
 *   2. Only a NOPERM reply means that a permission is missing. Redis returns any other error (MOVED, OOM, READONLY,
 *      NOSCRIPT) only after the permission check.
 *   3. If the connection is lost, the probe rejects, because its result is unknown.
 *
 * ACL DRYRUN would be an alternative, but it needs a permission that docs/operations/redis.md does not grant. Redis
 * applies the same permissions to commands inside scripts.
 */
import { ErrorReply } from '@redis/client';
import type { OpenClient } from './client.ts';
import { loadScript } from './lua-script.ts';
import type { MissingPermission } from './missing-permissions.ts';
import {
  CALL_COMMANDS,
  KEY_COMMANDS,
  type KeyFamily,
  type PermissionArea,
  refusedCommandIn,
  SCRIPT_COMMANDS,
} from './permissions.ts';
import { serverCodeOf } from './server-error.ts';

export interface ProbeOptions {
  readonly area: PermissionArea;
  readonly prefix: string;
  /**
   * Hash tag of a slot of the server, so that the server does not redirect the probe commands. No other key has such a
   * tag, because the tags of other keys contain `|`, `:` or a hash.
   */
  readonly hashTag: string;
  readonly isCluster: boolean;
}

interface Question {
  readonly command: string;
  readonly family: KeyFamily | undefined;
  readonly words: readonly string[];
}

const NO_SCRIPT = '0'.repeat(40);

/**
 * Arguments after the key. With these arguments, the command changes nothing. Commands without an entry have no further
 * arguments.
 */
const HARMLESS_ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  getrange: ['0', '0'],
  hdel: ['f'],
  hexists: ['f'],
  hget: ['f'],
  // Redis rejects this increment, because it is not an integer.
  hincrby: ['f', 'x'],
  hmget: ['f'],
  hscan: ['0'],
  // Redis rejects these arguments, because the second field has no value.
  hset: ['f', 'v', 'f'],
  hstrlen: ['f'],
  pexpire: ['1'],
  pexpireat: ['1'],
  // With XX, SET writes only if the key exists, and the probe's key never exists.
  set: ['v', 'XX', 'PX', '1'],
  // No connection subscribes to the probe's channel.
  spublish: ['probe'],
};

/** Script with which the probe checks SCRIPT LOAD. Every sidecar loads this script anyway. */
const LOADED_SCRIPT = loadScript('write-format', ['src/redis/scripts/write-format.lua'], 'write_in_place').source;

export async function probePermissions(client: OpenClient, options: ProbeOptions): Promise<MissingPermission[]> {
  const missing: MissingPermission[] = [];
  const ask = async ({ command, family }: Omit<Question, 'words'>, answer: Promise<unknown>): Promise<boolean> => {
    const reply = await refusalIn(answer);
    if (reply !== undefined) {
      missing.push({ command, family, name: nameOf({ command, family, reply, prefix: options.prefix }) });
    }
    return reply === undefined;
  };
  const questions = questionsOf(options);
  await Promise.all(questions.map((question) => ask(question, client.send(question.words))));
  if (options.area === 'cache') {
    const channel = keyOf(options, 'cache-inv');
    const isSubscribed = await ask(
      { command: 'ssubscribe', family: 'cache-inv' },
      client.sSubscribe(channel, () => undefined),
    );
    if (isSubscribed) {
      await ask({ command: 'sunsubscribe', family: undefined }, client.sUnsubscribe(channel));
    }
  }
  return missing;
}

function questionsOf(options: ProbeOptions): Question[] {
  const questions: Question[] = [];
  for (const [name, commands] of Object.entries(KEY_COMMANDS[options.area])) {
    const family = name as KeyFamily;
    const key = keyOf(options, family);
    for (const command of commands) {
      questions.push({ command, family, words: [command.toUpperCase(), key, ...(HARMLESS_ARGUMENTS[command] ?? [])] });
    }
    for (const command of SCRIPT_COMMANDS) {
      questions.push({ command, family, words: [command.toUpperCase(), NO_SCRIPT, '1', key] });
    }
  }
  // ASKING affects only the next command on the connection, which is another probe command.
  const keyless = CALL_COMMANDS.filter((command) => command !== 'asking' || options.isCluster);
  for (const command of options.area === 'cache' ? [...keyless, 'client|info'] : keyless) {
    const words = command.toUpperCase().split('|');
    questions.push({
      command,
      family: undefined,
      words: command === 'script|load' ? [...words, LOADED_SCRIPT] : words,
    });
  }
  return questions;
}

function keyOf({ prefix, hashTag }: ProbeOptions, family: KeyFamily): string {
  return `${prefix}${family}:{${hashTag}}`;
}

/** Returns the text of a NOPERM reply; undefined for every other reply. */
async function refusalIn(answer: Promise<unknown>): Promise<string | undefined> {
  try {
    await answer;
    return undefined;
  } catch (error) {
    if (!(error instanceof ErrorReply)) {
      throw error;
    }
    return serverCodeOf(error.message) === 'NOPERM' ? error.message : undefined;
  }
}

function nameOf(refused: Omit<Question, 'words'> & { readonly reply: string; readonly prefix: string }): string {
  const { command, family, reply, prefix } = refused;
  if (family === undefined || refusedCommandIn(reply) !== undefined) {
    return `+${command}`;
  }
  return /\bchannels?\b/.test(reply) ? `&${prefix}${family}:*` : `~${prefix}${family}:*`;
}
