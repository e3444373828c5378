/**
 * A Lua script as data: its text, the SHA-1 by which EVALSHA names it, and whether it writes.
 *
 *   read            bare, sent by EVALSHA_RO. A replica would run it too, so the connection vouches for the server's role. It is answered while
 *                   Redis refuses writes (MISCONF, OOM, NOREPLICAS, CLIENT PAUSE WRITE), and may be repeated.
 *   write           begins with `#!lua`: a replica answers READONLY, a server that is full or cannot save refuses it before it runs.
 *   write_in_place  the same with `allow-oom`: it needs no room, and must work on a server that is full.
 *
 * House rules for every .lua file (a test reads them): all keys come from KEYS; a key that the script creates gets its TTL
 * in the same script; TIME is read once; no number is formatted by `..` (use string.format('%.0f', n)).
 *
 * Source of the flags: https://redis.io/docs/latest/develop/interact/programmability/lua-api/#script_flags
 */
import { createHash } from 'node:crypto';
import { readTextAsset } from '../lib/assets.ts';
import type { KeyFamily } from './permissions.ts';

export type ScriptKind = 'read' | 'write' | 'write_in_place';

/** What a key holds; empty for a channel that stands among the keys. */
export type KeyType = 'hash' | 'string' | '';

export interface ScriptOptions {
  /** Of KEYS, in their order; the last one holds for all that follow. Of a key of another type the script removes nothing by itself. */
  readonly keyTypes?: readonly KeyType[];
  /** Of a script that reads: run with the same KEYS when it met a damaged value, which it removes. */
  readonly repair?: Script;
}

export interface Script {
  /** For logs and metrics: bounded in number, no user data. */
  readonly name: string;
  readonly kind: ScriptKind;
  readonly source: string;
  readonly sha1: string;
  readonly keyTypes: readonly KeyType[];
  readonly repair: Script | undefined;
  /** Those that it runs, in small letters: for the permissions that it needs. */
  readonly commands: ReadonlySet<string>;
  /** What its call runs after it: where the user may not do that, this script is not sent either. */
  readonly leadsTo?: ScriptStep;
}

export interface ScriptStep {
  readonly script: Script;
  readonly families: readonly KeyFamily[];
}

const ONE_HASH: readonly KeyType[] = ['hash'];

const FIRST_LINES: Readonly<Record<ScriptKind, string>> = {
  read: '',
  write: '#!lua\n',
  write_in_place: '#!lua flags=allow-oom\n',
};

export function defineScript(
  name: string,
  text: string,
  kind: ScriptKind = 'write',
  { keyTypes = ONE_HASH, repair }: ScriptOptions = {},
): Script {
  const source = `${FIRST_LINES[kind]}${text}`;
  const sha1 = createHash('sha1').update(source).digest('hex');
  return { name, kind, source, sha1, commands: commandsIn(source), keyTypes, repair };
}

/** The script made of these files of the program, one after the other, e.g. `src/session/scripts/create.lua`. */
export function loadScript(name: string, paths: readonly string[], kind: ScriptKind, options?: ScriptOptions): Script {
  return defineScript(name, paths.map(readTextAsset).join('\n'), kind, options);
}

/** The commands that a script's text runs, in small letters. */
export function commandsIn(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(/\bredis\.p?call\('([A-Z]+)'/g)].map(([, name = '']) => name.toLowerCase()));
}
