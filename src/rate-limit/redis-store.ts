/**
 * Stores rate limits in Redis: one key per subject, and one script and one round trip per decision.
 *
 * Invariants:
 *   1. The number of scripts does not depend on the policies (redis-scripts.ts).
 *   2. A call that cannot consume units (a peek, or a call whose cost exceeds the capacity of a limit) runs a read-only
 *      script.
 *   3. A decision requires a second round trip only if a lean script leaves the decision to the general script. The
 *      lean script changes nothing in this case.
 */
import type { RedisCommands } from '../redis/commands.ts';
import type { Keyspace } from '../redis/keyspace.ts';
import type { Script } from '../redis/lua-script.ts';
import { asCode } from '../redis/script-reply.ts';
import type { CompiledLimits, LimitFields } from './model.ts';
import { decodeGeneralReply, decodeLeanReply, decodeResetReply } from './redis-reply.ts';
import { loadRateLimitScripts, type RateLimitScripts } from './redis-scripts.ts';
import {
  decidedUnits,
  type GiveRequest,
  type GiveResult,
  type RateLimitStore,
  type SubjectKey,
  type TakeRequest,
  type TakeResult,
  takesNothing,
} from './store.ts';

const NO_DELAY_BOUND = '-1';

export interface RedisRateLimitStoreOptions {
  readonly redis: RedisCommands;
  readonly keyspace: Keyspace;
  /** Scripts to use instead of the production scripts, for tests that control the server's clock. */
  readonly scripts?: RateLimitScripts;
}

export class RedisRateLimitStore implements RateLimitStore {
  readonly #redis: RedisCommands;
  readonly #keyspace: Keyspace;
  readonly #scripts: RateLimitScripts;

  constructor(options: RedisRateLimitStoreOptions) {
    this.#redis = options.redis;
    this.#keyspace = options.keyspace;
    this.#scripts = options.scripts ?? loadRateLimitScripts();
  }

  async take(request: TakeRequest, deadlineAtMs: number): Promise<TakeResult> {
    const key = this.#keyOf(request.key);
    if (takesNothing(request)) {
      const { limits, maxDelayMs } = request;
      const peek = { limits, cost: decidedUnits(request), maxDelayMs };
      return await this.#runGeneral(this.#scripts.peek, key, peek, deadlineAtMs);
    }
    const script = this.#leanScriptOf(request.limits);
    if (script !== undefined) {
      const reply = await this.#redis.run(script, [key], leanArguments(request), deadlineAtMs);
      const result = decodeLeanReply(reply, request);
      if (result !== undefined) {
        return result;
      }
    }
    return await this.#runGeneral(this.#scripts.take, key, request, deadlineAtMs);
  }

  async give({ key, limits, units }: GiveRequest, deadlineAtMs: number): Promise<GiveResult> {
    const request = { limits, cost: units, maxDelayMs: undefined };
    const { outcomes } = await this.#runGeneral(this.#scripts.give, this.#keyOf(key), request, deadlineAtMs);
    return { outcomes };
  }

  async reset(key: SubjectKey, limits: LimitFields | undefined, deadlineAtMs: number): Promise<boolean> {
    const name = this.#keyOf(key);
    if (limits === undefined) {
      return asCode(await this.#redis.send(name, ['UNLINK', name], deadlineAtMs), [0, 1]) === 1;
    }
    const fields = limits.limits.map((limit) => limit.field);
    return decodeResetReply(await this.#redis.run(this.#scripts.reset, [name], fields, deadlineAtMs));
  }

  async #runGeneral(
    script: Script,
    key: string,
    { limits, cost, maxDelayMs }: Pick<TakeRequest, 'limits' | 'cost' | 'maxDelayMs'>,
    deadlineAtMs: number,
  ): Promise<TakeResult> {
    const delayBound = maxDelayMs === undefined ? NO_DELAY_BOUND : String(maxDelayMs);
    const reply = await this.#redis.run(script, [key], [limits.packed, String(cost), delayBound], deadlineAtMs);
    return decodeGeneralReply(reply, limits.limits.length);
  }

  #leanScriptOf({ limits, isLean }: CompiledLimits): Script | undefined {
    if (!isLean) {
      return undefined;
    }
    const [first] = limits;
    return limits.length === 1 && first !== undefined
      ? this.#scripts.oneLimit[first.algorithm.name]
      : this.#scripts.several;
  }

  #keyOf({ scope, policy, subject, isHashed }: SubjectKey): string {
    return isHashed === true
      ? this.#keyspace.hashedRateLimit(scope, policy, subject)
      : this.#keyspace.rateLimit(scope, policy, subject);
  }
}

/**
 * Builds the arguments of a lean script. Omits the last arguments that are equal to the script's default values.
 */
function leanArguments({ limits, cost, maxDelayMs }: TakeRequest): string[] {
  if (maxDelayMs !== undefined) {
    return [limits.packed, String(cost), String(maxDelayMs)];
  }
  return cost === 1 ? [limits.packed] : [limits.packed, String(cost)];
}
