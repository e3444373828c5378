/**
 * Asks a server which of the permissions that we need its user lacks, over a connection of its own.
 *
 *   1. Redis checks permissions before anything else, so a command need not do anything: every command here is sent with a key that does not
 *      exist, or with arguments that Redis refuses after that check. Nothing is ever written, so nothing is left behind, whatever is missing.
 *   2. Only NOPERM means that a permission is missing. Any other reply (MOVED, OOM, READONLY, NOSCRIPT) comes after the check.
 *   3. A lost connection rejects: nothing is known then.
 *
 * ACL DRYRUN would do the same, but needs a permission that the documented user lacks. Inside scripts Redis asks the same rules of the same user.
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
  /** Names a slot of the server, so that it answers by itself. No key of ours has such a tag: theirs have a `|`, a `:` or a hash. */
  readonly hashTag: string;
  readonly isCluster: boolean;
}

interface Question {
  readonly command: string;
  readonly family: KeyFamily | undefined;
  readonly words: readonly string[];
}

const NO_SCRIPT = '0'.repeat(40);

/** What follows the key, so that the command changes nothing. Those that are not here take none. */
const HARMLESS_ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  getrange: ['0', '0'],
  hdel: ['f'],
  hexists: ['f'],
  hget: ['f'],
  // Not an integer.
  hincrby: ['f', 'x'],
  hmget: ['f'],
  hscan: ['0'],
  // A field without a value.
  hset: ['f', 'v', 'f'],
  hstrlen: ['f'],
  pexpire: ['1'],
  pexpireat: ['1'],
  // Only where the key exists.
  set: ['v', 'XX', 'PX', '1'],
  // To a channel of its own.
  spublish: ['probe'],
};

/** One that every sidecar loads anyway. */
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
  // ASKING is of the next command alone, which follows it at once.
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

/** The text of NOPERM; undefined for every other reply. */
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
