/**
 * Stores the users of the Redis session store: one hash per user, with the generation of the user and the list of the
 * user's sessions.
 *
 * Only the generation decides which sessions are valid. The list is only for ListUserSessions, the user limit and the
 * removal of invalid sessions. Therefore the store may change a user's key and a session's key in two separate steps.
 * One script could not change both keys, because they are in different slots.
 */
import type { RedisCommands, RedisReply } from '../redis/commands.ts';
import type { Keyspace } from '../redis/keyspace.ts';
import { loadScript, type Script, type ScriptKind } from '../redis/lua-script.ts';
import { asCode, asList, asPairs, asText, integerIn, malformedReply } from '../redis/script-reply.ts';
import {
  LIST_ENTRY_SETTLES_MS,
  LISTED_SESSIONS_DROPPED,
  LOGIN_SETTLES_MS,
  MAX_LISTED_SESSIONS,
  type RandomBytes,
  USER_TTL_MARGIN_MS,
} from './model.ts';
import { GENERATION_FIELDS, generationOf, type UserGeneration } from './redis-reply.ts';

/** User whose generation a logout everywhere has replaced. */
export interface EndedUser {
  readonly before: UserGeneration | undefined;
  /** Handles that were in the list, except the handle of the kept session. */
  readonly handles: readonly string[];
}

/** Scripts that run on the key of a session after the session has been added to its user's list. */
export type SessionScripts = Readonly<Record<'create' | 'rotate', Script>>;

/** Session that `enter` adds to the list of its user. */
export interface UserEntry {
  readonly next: keyof SessionScripts;
  readonly userId: string;
  readonly handle: string;
  readonly absoluteTtlMs: number;
  /**
   * Maximum number of sessions in the list. If undefined, the maximum is MAX_LISTED_SESSIONS, and the script removes
   * the oldest entries of a full list.
   */
  readonly maxSessions: number | undefined;
  /** Entries that the script removes first, because the sessions of these entries have ended. */
  readonly ended: readonly ListedHandle[];
}

export interface ListedHandle {
  readonly handle: string;
  readonly listedAtMs: number;
  /**
   * Whether the time within which the login had to create its session has passed. If the session does not exist by
   * then, the login never creates it.
   */
  readonly isSettled: boolean;
}

export type EnterOutcome =
  | { readonly outcome: 'entered'; readonly generation: string }
  /** The user limit is reached, so the script added no entry. `others` are the entries of other sessions. */
  | { readonly outcome: 'at_limit'; readonly user: UserGeneration; readonly others: readonly ListedHandle[] };

const DIRECTORY = 'src/session/scripts';
const INCARNATION_BYTES = 12;
/** Options of a command on a user's key. */
const HASH = { keyType: 'hash' } as const;
const HANDLE_PREFIX = 'h:';

export class RedisUsers {
  readonly #commands: RedisCommands;
  readonly #keyspace: Keyspace;
  readonly #random: RandomBytes;
  readonly #enterScripts: SessionScripts;
  readonly extendScript = script('user-extend', 'write');
  readonly #forgetScript = script('user-forget', 'write_in_place');
  readonly #endScript = script('user-end', 'write_in_place');
  readonly #listScript = script('user-list', 'read');

  constructor(options: {
    commands: RedisCommands;
    keyspace: Keyspace;
    random: RandomBytes;
    sessionScripts: SessionScripts;
  }) {
    const { create, rotate } = options.sessionScripts;
    const enter = script('user-enter', 'write');
    this.#enterScripts = {
      create: { ...enter, leadsTo: { script: create, families: ['session'] } },
      rotate: { ...enter, leadsTo: { script: rotate, families: ['session'] } },
    };
    this.#commands = options.commands;
    this.#keyspace = options.keyspace;
    this.#random = options.random;
  }

  /**
   * Adds the session to the list of the user. If `maxSessions` is set, adds the session only if the list contains fewer
   * than `maxSessions` other sessions.
   */
  async enter(entry: UserEntry, deadlineAtMs: number): Promise<EnterOutcome> {
    const reply = await this.#run(
      this.#enterScripts[entry.next],
      entry.userId,
      [
        entry.handle,
        String(entry.absoluteTtlMs),
        String(USER_TTL_MARGIN_MS),
        this.#freshIncarnation(),
        String(MAX_LISTED_SESSIONS),
        String(LISTED_SESSIONS_DROPPED),
        String(entry.maxSessions ?? 0),
        String(LOGIN_SETTLES_MS),
        ...entry.ended.flatMap(({ handle, listedAtMs }) => [handle, String(listedAtMs)]),
      ],
      deadlineAtMs,
    );
    const user = generationOf(reply);
    if (user === undefined) {
      throw malformedReply('the generation of a user', reply);
    }
    const others = asList(reply)[GENERATION_FIELDS.length];
    return others === undefined
      ? { outcome: 'entered', generation: user.generation }
      : { outcome: 'at_limit', user, others: othersOf(others) };
  }

  async generation(userId: string, deadlineAtMs: number): Promise<UserGeneration | undefined> {
    const key = this.#keyspace.user(userId);
    return generationOf(await this.#commands.send(key, ['HMGET', key, ...GENERATION_FIELDS], deadlineAtMs, HASH));
  }

  /** Extends the expiry of the user's key so that it outlives this session; returns the user's generation. */
  async extend(
    userId: string,
    handle: string,
    absoluteTtlMs: number,
    deadlineAtMs: number,
  ): Promise<UserGeneration | undefined> {
    const args = [handle, String(absoluteTtlMs), String(USER_TTL_MARGIN_MS)];
    return generationOf(await this.#run(this.extendScript, userId, args, deadlineAtMs));
  }

  /** Removes a session from the list; returns the user's generation. */
  async forget(userId: string, handle: string, deadlineAtMs: number): Promise<UserGeneration | undefined> {
    return generationOf(await this.#run(this.#forgetScript, userId, ['0', handle], deadlineAtMs));
  }

  /** Removes from the list those of the given handles that were listed at least LIST_ENTRY_SETTLES_MS ago. */
  async forgetSettled(userId: string, handles: readonly string[], deadlineAtMs: number): Promise<void> {
    await this.#run(this.#forgetScript, userId, [String(LIST_ENTRY_SETTLES_MS), ...handles], deadlineAtMs);
  }

  async list(
    userId: string,
    deadlineAtMs: number,
  ): Promise<{ readonly user: UserGeneration | undefined; readonly handles: readonly string[] }> {
    const reply = asPairs(await this.#run(this.#listScript, userId, [], deadlineAtMs));
    const fixed = new Map<string, RedisReply>();
    const handles: string[] = [];
    for (let index = 0; index < reply.length; index += 2) {
      const name = asText(reply[index]);
      if (name.startsWith(HANDLE_PREFIX)) {
        handles.push(name.slice(HANDLE_PREFIX.length));
      } else {
        fixed.set(name, reply[index + 1] ?? null);
      }
    }
    const parts = GENERATION_FIELDS.map((name) => fixed.get(name) ?? null);
    return { user: generationOf(parts), handles };
  }

  /**
   * Ends all sessions of the user except `kept`. If `kept` is not valid, the method does nothing and returns undefined.
   */
  async end(
    userId: string,
    kept: { readonly handle: string; readonly generation: string } | undefined,
    deadlineAtMs: number,
  ): Promise<EndedUser | undefined> {
    const args = [kept?.handle ?? '', kept?.generation ?? '', this.#freshIncarnation()];
    const reply = await this.#run(this.#endScript, userId, args, deadlineAtMs);
    if (reply === null) {
      // Without a user record, none of the user's sessions is valid, including the kept one.
      return kept === undefined ? { before: undefined, handles: [] } : undefined;
    }
    const [code, found, handles] = asList(reply, 2);
    const before = generationOf(found);
    return asCode(code, [0, 1]) === 1 ? { before, handles: asList(handles).map(asText) } : undefined;
  }

  #freshIncarnation(): string {
    return this.#random(INCARNATION_BYTES).toString('base64url');
  }

  #run(script: Script, userId: string, args: readonly string[], deadlineAtMs: number): Promise<RedisReply> {
    return this.#commands.run(script, [this.#keyspace.user(userId)], args, deadlineAtMs);
  }
}

function othersOf(reply: RedisReply): ListedHandle[] {
  const parts = asList(reply);
  const others: ListedHandle[] = [];
  for (let index = 0; index < parts.length; index += 3) {
    const handle = asText(parts[index]);
    const listedAtMs = integerIn(asText(parts[index + 1]));
    if (listedAtMs === undefined) {
      throw malformedReply('the time when a session was listed', parts[index + 1]);
    }
    others.push({ handle, listedAtMs, isSettled: asCode(parts[index + 2], [0, 1]) === 1 });
  }
  return others;
}

function script(name: string, kind: ScriptKind): Script {
  return loadScript(`session-${name}`, [`${DIRECTORY}/user-common.lua`, `${DIRECTORY}/${name}.lua`], kind);
}
