/**
 * Represents a Lua script: its text, the SHA-1 that EVALSHA uses, and whether it writes.
 *
 * There are three kinds of scripts:
 *   - A `read` script has no shebang and is sent with EVALSHA_RO. A replica would run the script too, so the connection
 *     verifies the server's role. The script runs even while Redis refuses writes (MISCONF, OOM, NOREPLICAS, CLIENT
 *     PAUSE WRITE), and a `read` script may be repeated.
 *   - A `write` script begins with `#!lua`. A replica rejects the script with READONLY. A server whose memory is full,
 *     or that cannot save its data, does not run the script.
 *   - A `write_in_place` script begins with `#!lua flags=allow-oom`. Such a script needs no additional memory and must
 *     work on a server whose memory is full.
 *
 * Every .lua file follows these rules, which script-rules.test.ts enforces:
 *   - A script uses only keys from KEYS.
 *   - A script that creates a key sets its TTL.
 *   - The TIME command is called once, in the prelude.
 *   - The function `whole` formats numbers. The operator `..` is not applied to numbers.
 *   - Locals, parameters, functions and fields are camelCase, and constants are UPPER_CASE.
 *
 * Source of the flags: https://redis.io/docs/latest/develop/interact/programmability/lua-api/#script_flags
 */
import { createHash } from 'node:crypto';
import { readTextAsset } from '../lib/assets.ts';
import type { KeyFamily } from './permissions.ts';
import { withLibraries } from './script-library.ts';

export type ScriptKind = 'read' | 'write' | 'write_in_place';

/** Type of a key; an empty string for a channel that the script receives in KEYS. */
export type KeyType = 'hash' | 'string' | '';

export interface ScriptOptions {
  /**
   * Expected types of KEYS, in order. The last type applies to all further keys. The script itself does not remove a
   * key of another type. The script remove-wrong-type.lua removes such a key.
   */
  readonly keyTypes?: readonly KeyType[];
  /**
   * Script that repairs a damaged value for a script that only reads. The repair script runs with the same KEYS and
   * removes the value.
   */
  readonly repair?: Script;
}

export interface Script {
  /** Name in logs and metrics. The number of names is small, and no name contains user data. */
  readonly name: string;
  readonly kind: ScriptKind;
  readonly source: string;
  readonly sha1: string;
  readonly keyTypes: readonly KeyType[];
  readonly repair: Script | undefined;
  /** Commands that the script runs, in lower case. The commands determine the permissions that the script needs. */
  readonly commands: ReadonlySet<string>;
  /**
   * Script that the same call runs next. If the Redis user lacks a permission for the next script, the sidecar does not
   * send this script either.
   */
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

/** Source text of each library, by path. Many scripts use the same libraries, so each file is read only once. */
const libraries = new Map<string, string>();

function readLibrary(path: string): string {
  const text = libraries.get(path) ?? readTextAsset(path);
  libraries.set(path, text);
  return text;
}

/** Returns the text of the prelude, a library (script-library.ts) for the scripts of all folders. */
export function readPrelude(): string {
  return readLibrary('src/redis/scripts/prelude.lua');
}

/**
 * Loads the script in the last of these files, e.g. `src/session/scripts/create.lua`. The files before the last one are
 * the libraries of the script.
 */
export function loadScript(name: string, paths: readonly string[], kind: ScriptKind, options?: ScriptOptions): Script {
  const script = readTextAsset(paths.at(-1) ?? '');
  return defineScript(
    name,
    withLibraries(script, [readPrelude(), ...paths.slice(0, -1).map(readLibrary)]),
    kind,
    options,
  );
}

/** Returns the commands that a script runs, in lower case. */
export function commandsIn(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(/\bredis\.p?call\('([A-Z]+)'/g)].map(([, name = '']) => name.toLowerCase()));
}
