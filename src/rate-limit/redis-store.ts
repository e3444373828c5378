/**
 * Limits in Redis: one key per subject, one script per decision, one round trip.
 *
 * Limits of a policy have a script of their own, which is take.lua with their numbers written in front: a call of one then has four
 * arguments in place of eleven, and one of four limits in place of 26, each of which costs us and Redis something. Redis keeps every script
 * that it has seen (about 50 KB each; from 7.4 on the 500 used last), so there are OWN_SCRIPTS_MAX at most: what comes after them, and limits that callers
 * give, go to the common script.
 */
import { readTextAsset } from '../lib/assets.ts';
import { StoreError } from '../lib/store-error.ts';
import type { RedisCommands, RedisReply } from '../redis/commands.ts';
import type { Keyspace } from '../redis/keyspace.ts';
import { defineScript, loadScript, type Script } from '../redis/script.ts';
import type { StepOutcome } from './algorithms/step.ts';
import type { CompiledLimits } from './policy.ts';
import { type RateLimitStore, type SubjectKey, type TakeRequest, type TakeResult, tooManyLimits } from './store.ts';

const FOLDER = 'src/rate-limit';

/** The files of take.lua in order, without the one that reads the server's clock: a test puts its own time in that place. */
export const TAKE_PARTS: readonly string[] = [
  `${FOLDER}/algorithms/exact.lua`,
  `${FOLDER}/algorithms/bucket.lua`,
  `${FOLDER}/algorithms/fixed-window.lua`,
  `${FOLDER}/algorithms/sliding-window-log.lua`,
  `${FOLDER}/algorithms/sliding-window-counter.lua`,
  `${FOLDER}/algorithms/token-bucket.lua`,
  `${FOLDER}/algorithms/leaky-bucket.lua`,
  `${FOLDER}/scripts/take.lua`,
];

const NUMBERS_PER_LIMIT = 6;
const OWN_SCRIPTS_MAX = 100;
/** What stands between quotes in Lua as it is: numbers, and fields made of names that the policy file accepts. */
const CONSTANT = /^[\w.:-]+$/;

export class RedisRateLimitStore implements RateLimitStore {
  readonly #redis: RedisCommands;
  readonly #keyspace: Keyspace;
  readonly #takeSource = takeSource(readTextAsset(`${FOLDER}/scripts/now.lua`));
  readonly #takeScript = defineScript('rate-limit-take', this.#takeSource);
  /** Of policies: their own, or the common one. */
  readonly #scripts = new WeakMap<CompiledLimits, Script>();
  /** By their numbers, which a reload may leave as they were. */
  readonly #ownScripts = new Map<string, Script>();
  readonly #resetScript = loadScript('rate-limit-reset', [`${FOLDER}/scripts/reset.lua`], 'write_in_place');

  constructor(options: { redis: RedisCommands; keyspace: Keyspace }) {
    this.#redis = options.redis;
    this.#keyspace = options.keyspace;
  }

  async take(request: TakeRequest, deadlineAtMs: number): Promise<TakeResult> {
    const { limits, cost, maxDelayMs } = request;
    const keys = [this.#keyOf(request.key)];
    const script = limits.isKept ? this.#scriptOf(limits) : this.#takeScript;
    const isOwn = script !== this.#takeScript;
    const told = isOwn && isPlain(request) ? [] : callArgs(cost, maxDelayMs);
    const args = isOwn ? told : [...told, ...limits.scriptArgs];
    const reply = await this.#redis.run(script, keys, args, deadlineAtMs);
    return toResult(reply, limits.limits.length);
  }

  async reset(key: SubjectKey, limits: CompiledLimits | undefined, deadlineAtMs: number): Promise<boolean> {
    const name = this.#keyOf(key);
    if (limits === undefined) {
      return (await this.#redis.send(name, ['UNLINK', name], deadlineAtMs)) === 1;
    }
    const fields = limits.limits.map((limit) => limit.field);
    return (await this.#redis.run(this.#resetScript, [name], fields, deadlineAtMs)) === 1;
  }

  #scriptOf(limits: CompiledLimits): Script {
    let script = this.#scripts.get(limits);
    if (script === undefined) {
      script = this.#ownScriptOf(limits) ?? this.#takeScript;
      this.#scripts.set(limits, script);
    }
    return script;
  }

  #ownScriptOf(limits: CompiledLimits): Script | undefined {
    const constants = limits.scriptArgs.join(' ');
    let own = this.#ownScripts.get(constants);
    if (own === undefined && this.#ownScripts.size < OWN_SCRIPTS_MAX) {
      own = defineScript('rate-limit-take', withConstants(this.#takeSource, limits.scriptArgs));
      this.#ownScripts.set(constants, own);
    }
    return own;
  }

  #keyOf(key: SubjectKey): string {
    return this.#keyspace.rateLimit(key.scope, key.policy, key.subject);
  }
}

/** The script's text with this beginning, which must define `nowMs`. */
export function takeSource(now: string): string {
  return [now, ...TAKE_PARTS.map(readTextAsset)].join('\n');
}

function callArgs(cost: number, maxDelayMs: number | undefined): string[] {
  return [String(cost), String(maxDelayMs ?? -1)];
}

/** One unit and no bound of the delay: what a script takes where it is told nothing. */
function isPlain({ cost, maxDelayMs }: TakeRequest): boolean {
  return cost === 1 && maxDelayMs === undefined;
}

/** The script with ARGV completed by what is the same for every call. */
function withConstants(source: string, scriptArgs: readonly string[]): string {
  const constants = scriptArgs.map((argument) => {
    if (!CONSTANT.test(argument)) {
      throw new Error(`Cannot write ${JSON.stringify(argument)} into a script: wanted letters, digits and ._:-`);
    }
    return `'${argument}'`;
  });
  return `local ARGV = { ARGV[1] or '1', ARGV[2] or '-1', ${constants.join(', ')} }\n${source}`;
}

function toResult(reply: RedisReply, limitCount: number): TakeResult {
  if (!Array.isArray(reply)) {
    throw new StoreError('unknown', 'the rate-limit script answered in an unknown form');
  }
  const numbers = reply as number[];
  if (numbers[0] === 0) {
    throw tooManyLimits();
  }
  const outcomes: StepOutcome[] = [];
  let allowed = true;
  for (let index = 0; index < limitCount; index += 1) {
    const at = 1 + index * NUMBERS_PER_LIMIT;
    const outcome: StepOutcome = {
      allowed: numbers[at] === 1,
      remaining: numbers[at + 1] ?? 0,
      retryAfterMs: numbers[at + 2] ?? 0,
      resetAfterMs: numbers[at + 3] ?? 0,
      delayMs: numbers[at + 4] ?? 0,
      never: numbers[at + 5] === 1,
    };
    allowed &&= outcome.allowed;
    outcomes.push(outcome);
  }
  return { allowed, outcomes };
}
