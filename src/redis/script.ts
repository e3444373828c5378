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

export interface Script {
  /** For logs and metrics: bounded in number, no user data. */
  readonly name: string;
  readonly kind: ScriptKind;
  readonly source: string;
  readonly sha1: string;
  /** Those that it runs, in small letters: for the permissions that it needs. */
  readonly commands: ReadonlySet<string>;
  /** What its call runs after it: where the user may not do that, this script is not sent either. */
  readonly leadsTo?: ScriptStep;
}

export interface ScriptStep {
  readonly script: Script;
  readonly families: readonly KeyFamily[];
}

const FIRST_LINES: Readonly<Record<ScriptKind, string>> = {
  read: '',
  write: '#!lua\n',
  write_in_place: '#!lua flags=allow-oom\n',
};

export function defineScript(name: string, text: string, kind: ScriptKind = 'write'): Script {
  const source = `${FIRST_LINES[kind]}${text}`;
  const sha1 = createHash('sha1').update(source).digest('hex');
  return { name, kind, source, sha1, commands: commandsIn(source) };
}

/** The script made of these files of the program, one after the other, e.g. `src/session/scripts/create.lua`. */
export function loadScript(name: string, paths: readonly string[], kind: ScriptKind): Script {
  return defineScript(name, paths.map(readTextAsset).join('\n'), kind);
}

/** The commands that a script's text runs, in small letters. */
export function commandsIn(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(/\bredis\.p?call\('([A-Z]+)'/g)].map(([, name = '']) => name.toLowerCase()));
}
