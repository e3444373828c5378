/**
 * Stores the permissions that a probe found missing on one node, and rejects calls that need one of them. Pure.
 *
 *   1. A command is rejected if the command itself, its script, or the next script of the same call needs a missing
 *      permission. Every other command is sent.
 *   2. The error names the missing permissions and docs/operations/redis.md, and does not suggest a retry.
 */
import { StoreError } from '../lib/store-error.ts';
import type { RedisArgument } from './commands.ts';
import type { Script } from './lua-script.ts';
import { type KeyFamily, missingPermissionText } from './permissions.ts';

export interface MissingPermission {
  /** Command in lower case, e.g. `script|load`. */
  readonly command: string;
  /** Family of the keys for which the permission is missing; undefined for a command without a key. */
  readonly family: KeyFamily | undefined;
  /** Permission in the form of an ACL rule. */
  readonly name: string;
}

type Families = readonly (string | undefined)[];

const SUBSCRIBER_FAMILIES: Families = ['cache-inv', 'cache-seq'];

export class MissingPermissions {
  /** Missing permissions without duplicates, in the order in which the probe found them. */
  readonly names: readonly string[];
  readonly #missing: readonly MissingPermission[];
  readonly #prefix: string;

  constructor(missing: readonly MissingPermission[], prefix: string) {
    this.names = [...new Set(missing.map(({ name }) => name))];
    this.#missing = missing;
    this.#prefix = prefix;
  }

  get text(): string {
    return missingPermissionText(this.names);
  }

  /**
   * Returns an error if the command, its script, or the next script of the same call needs a missing permission.
   * Returns undefined if no needed permission is missing.
   */
  refusalOf(command: readonly RedisArgument[], script: Script | undefined): StoreError | undefined {
    if (script === undefined) {
      const [name = '', key = ''] = command;
      const families = [this.#familyOf(key)];
      return this.#refusal((missing) => missing.command === String(name).toLowerCase() && isOf(missing, families));
    }
    // The command consists of EVALSHA, the SHA-1, the number of keys, and the keys.
    const families = command.slice(3, 3 + Number(command[2])).map((key) => this.#familyOf(key));
    const next = script.leadsTo;
    return this.#refusal(
      (missing) =>
        isNeeded(missing, script, families) || (next !== undefined && isNeeded(missing, next.script, next.families)),
    );
  }

  /**
   * Returns an error if ASKING is not permitted. Without ASKING, the new master of a migrating slot does not accept
   * commands for the slot.
   */
  refusalOfAsking(): StoreError | undefined {
    return this.#refusal(({ command }) => command === 'asking');
  }

  /** Returns an error if a permission that subscriptions need is missing. */
  refusalOfSubscriptions(): StoreError | undefined {
    return this.#refusal(
      (missing) =>
        missing.command === 'client|info' ||
        missing.command === 'ssubscribe' ||
        (missing.command === 'hmget' && isOf(missing, SUBSCRIBER_FAMILIES)),
    );
  }

  #refusal(isConcerned: (missing: MissingPermission) => boolean): StoreError | undefined {
    const names = new Set(this.#missing.filter(isConcerned).map(({ name }) => name));
    return names.size === 0 ? undefined : new StoreError('forbidden', missingPermissionText([...names]));
  }

  #familyOf(key: RedisArgument): string | undefined {
    const text = typeof key === 'string' ? key : key.toString('latin1');
    return text.startsWith(this.#prefix) ? text.slice(this.#prefix.length).split(':', 1)[0] : undefined;
  }
}

function isNeeded(missing: MissingPermission, script: Script, families: Families): boolean {
  const isSent = missing.command === (script.kind === 'read' ? 'evalsha_ro' : 'evalsha');
  const isUsed = missing.command === 'script|load' || isSent || script.commands.has(missing.command);
  return isUsed && isOf(missing, families);
}

function isOf({ family }: MissingPermission, families: Families): boolean {
  return family === undefined || families.includes(family);
}
