/**
 * The users of the Redis store: for each one hash with the generation that its sessions must bear, and their list.
 *
 * The generation decides; the list only serves ListUserSessions and the removal of what is invalid anyway. So nothing here
 * has to be atomic with the session's own key, which lies in another slot.
 */
import type { RedisCommands, RedisReply } from '../redis/commands.ts';
import type { Keyspace } from '../redis/keyspace.ts';
import { loadScript, type Script, type ScriptKind, type ScriptStep } from '../redis/script.ts';
import { GENERATION_FIELDS, generationOf, listOf, type UserGeneration } from './redis-replies.ts';
import {
  LIST_ENTRY_SETTLES_MS,
  LISTED_SESSIONS_DROPPED,
  LISTED_SESSIONS_MAX,
  type RandomBytes,
  USER_TTL_MARGIN_MS,
} from './session.ts';

/** A user's generation was raised. */
export interface EndedUser {
  readonly before: UserGeneration | undefined;
  /** Those that the list held, without the one that was kept. */
  readonly handles: readonly string[];
}

const DIRECTORY = 'src/session/scripts';
const INCARNATION_BYTES = 12;
const HANDLE_PREFIX = 'h:';

export class RedisUsers {
  readonly #commands: RedisCommands;
  readonly #keyspace: Keyspace;
  readonly #random: RandomBytes;
  readonly #enterScript: Script;
  readonly extendScript = script('user-extend', 'write');
  readonly #forgetScript = script('user-forget', 'write_in_place');
  readonly #endScript = script('user-end', 'write_in_place');
  readonly #listScript = script('user-list', 'read');

  /** `createScript` is what makes a session once its user is entered. */
  constructor(options: { commands: RedisCommands; keyspace: Keyspace; random: RandomBytes; createScript: Script }) {
    const leadsTo: ScriptStep = { script: options.createScript, families: ['session'] };
    this.#enterScript = { ...script('user-enter', 'write'), leadsTo };
    this.#commands = options.commands;
    this.#keyspace = options.keyspace;
    this.#random = options.random;
  }

  /** Lists the session under the user, and gives back the generation that it must bear. */
  async enter(userId: string, handle: string, absoluteTtlMs: number, deadlineAtMs: number): Promise<string> {
    const reply = await this.#run(
      this.#enterScript,
      userId,
      [
        handle,
        String(absoluteTtlMs),
        String(USER_TTL_MARGIN_MS),
        this.#freshIncarnation(),
        String(LISTED_SESSIONS_MAX),
        String(LISTED_SESSIONS_DROPPED),
      ],
      deadlineAtMs,
    );
    const user = generationOf(reply);
    if (user === undefined) {
      throw new TypeError('Cannot list a session under its user: expected a generation');
    }
    return user.generation;
  }

  async generation(userId: string, deadlineAtMs: number): Promise<UserGeneration | undefined> {
    const key = this.#keyspace.user(userId);
    return generationOf(await this.#commands.send(key, ['HMGET', key, ...GENERATION_FIELDS], deadlineAtMs));
  }

  /** Lets the user live as long as this session; says its generation. */
  async extend(
    userId: string,
    handle: string,
    absoluteTtlMs: number,
    deadlineAtMs: number,
  ): Promise<UserGeneration | undefined> {
    const args = [handle, String(absoluteTtlMs), String(USER_TTL_MARGIN_MS)];
    return generationOf(await this.#run(this.extendScript, userId, args, deadlineAtMs));
  }

  /** Takes a session from the list; says the generation of the user. */
  async forget(userId: string, handle: string, deadlineAtMs: number): Promise<UserGeneration | undefined> {
    return generationOf(await this.#run(this.#forgetScript, userId, ['0', handle], deadlineAtMs));
  }

  /** Takes those from the list that did not become true in the time that a call may take. */
  async forgetSettled(userId: string, handles: readonly string[], deadlineAtMs: number): Promise<void> {
    await this.#run(this.#forgetScript, userId, [String(LIST_ENTRY_SETTLES_MS), ...handles], deadlineAtMs);
  }

  async list(
    userId: string,
    deadlineAtMs: number,
  ): Promise<{ readonly user: UserGeneration | undefined; readonly handles: readonly string[] }> {
    const reply = listOf(await this.#run(this.#listScript, userId, [], deadlineAtMs));
    const fixed = new Map<string, RedisReply>();
    const handles: string[] = [];
    for (let index = 0; index < reply.length; index += 2) {
      const name = String(reply[index]);
      if (name.startsWith(HANDLE_PREFIX)) {
        handles.push(name.slice(HANDLE_PREFIX.length));
      } else {
        fixed.set(name, reply[index + 1] ?? null);
      }
    }
    const parts = GENERATION_FIELDS.map((name) => fixed.get(name) ?? null);
    return { user: generationOf(parts), handles };
  }

  /** Ends all sessions of the user but the one to be kept; undefined, and nothing done, where that one is not valid. */
  async end(
    userId: string,
    kept: { readonly handle: string; readonly generation: string } | undefined,
    deadlineAtMs: number,
  ): Promise<EndedUser | undefined> {
    const args = [kept?.handle ?? '', kept?.generation ?? '', this.#freshIncarnation()];
    const reply = await this.#run(this.#endScript, userId, args, deadlineAtMs);
    if (reply === null) {
      // Without its user no session is valid, not the one to be kept either.
      return kept === undefined ? { before: undefined, handles: [] } : undefined;
    }
    const [isEnded, found, handles] = listOf(reply);
    const before = generationOf(found);
    return isEnded === 1 ? { before, handles: listOf(handles).map(String) } : undefined;
  }

  #freshIncarnation(): string {
    return this.#random(INCARNATION_BYTES).toString('base64url');
  }

  #run(script: Script, userId: string, args: readonly string[], deadlineAtMs: number): Promise<RedisReply> {
    return this.#commands.run(script, [this.#keyspace.user(userId)], args, deadlineAtMs);
  }
}

function script(name: string, kind: ScriptKind): Script {
  return loadScript(`session-${name}`, [`${DIRECTORY}/user-common.lua`, `${DIRECTORY}/${name}.lua`], kind);
}
