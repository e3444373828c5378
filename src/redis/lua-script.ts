/**
 * A Lua script as data: its text, the SHA-1 by which EVALSHA names it, and whether it writes.
 *
 *   read            bare, sent by EVALSHA_RO. A replica would run it too, so the connection vouches for the server's role. It is answered while
 *                   Redis refuses writes (MISCONF, OOM, NOREPLICAS, CLIENT PAUSE WRITE), and may be repeated.
 *   write           begins with `#!lua`: a replica answers READONLY, a server that is full or cannot save refuses it before it runs.
 *   write_in_place  the same with `allow-oom`: it needs no room, and must work on a server that is full.
 *
 * House rules for every .lua file (script-rules.test.ts reads them): all keys come from KEYS; a key that the script creates gets its TTL
 * in the same script; TIME is read once, by the prelude; no number is formatted by `..` (use `whole`); locals, parameters, functions and
 * fields are camelCase, constants UPPER_CASE.
 *
 * Source of the flags: https://redis.io/docs/latest/develop/interact/programmability/lua-api/#script_flags
 */
import { createHash } from 'node:crypto';
import { readTextAsset } from '../lib/assets.ts';
import type { KeyFamily } from './permissions.ts';
import { withLibraries } from './script-library.ts';

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

/** The texts of the libraries that were read, by path: many scripts share them. */
const libraries = new Map<string, string>();

function readLibrary(path: string): string {
  const text = libraries.get(path) ?? readTextAsset(path);
  libraries.set(path, text);
  return text;
}

/** The prelude: a library (script-library.ts) for the scripts of all folders. */
export function readPrelude(): string {
  return readLibrary('src/redis/scripts/prelude.lua');
}

/** The script in the last of these files of the program, e.g. `src/session/scripts/create.lua`; those before it are its libraries. */
export function loadScript(name: string, paths: readonly string[], kind: ScriptKind, options?: ScriptOptions): Script {
  const script = readTextAsset(paths.at(-1) ?? '');
  return defineScript(
    name,
    withLibraries(script, [readPrelude(), ...paths.slice(0, -1).map(readLibrary)]),
    kind,
    options,
  );
}

/** The commands that a script's text runs, in small letters. */
export function commandsIn(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(/\bredis\.p?call\('([A-Z]+)'/g)].map(([, name = '']) => name.toLowerCase()));
}
