/**
 * A Lua script as data: its text and the SHA-1 by which EVALSHA names it.
 *
 * House rules for every .lua file (a test reads them): all keys come from KEYS; a key that the script creates gets its TTL
 * in the same script; TIME is read once; no number is formatted by `..` (use string.format('%.0f', n)).
 */
import { createHash } from 'node:crypto';
import { readTextAsset } from '../lib/assets.ts';

export interface Script {
  /** For logs and metrics: bounded in number, no user data. */
  readonly name: string;
  readonly source: string;
  readonly sha1: string;
}

export function defineScript(name: string, source: string): Script {
  return { name, source, sha1: createHash('sha1').update(source).digest('hex') };
}

/** The script made of these files of the program, one after the other, e.g. `src/session/scripts/create.lua`. */
export function loadScript(name: string, paths: readonly string[]): Script {
  return defineScript(name, paths.map(readTextAsset).join('\n'));
}
