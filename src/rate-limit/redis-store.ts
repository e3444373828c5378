/**
 * Limits in Redis: one key per subject, one script per decision, one round trip.
 */
import { readTextAsset } from '../lib/assets.ts';
import { StoreError } from '../lib/store-error.ts';
import type { RedisCommands, RedisReply } from '../redis/commands.ts';
import type { Keyspace } from '../redis/keyspace.ts';
import { defineScript, loadScript } from '../redis/script.ts';
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

export class RedisRateLimitStore implements RateLimitStore {
  readonly #redis: RedisCommands;
  readonly #keyspace: Keyspace;
  readonly #takeScript = defineScript('rate-limit-take', takeSource(readTextAsset(`${FOLDER}/scripts/now.lua`)));
  readonly #resetScript = loadScript('rate-limit-reset', [`${FOLDER}/scripts/reset.lua`]);

  constructor(options: { redis: RedisCommands; keyspace: Keyspace }) {
    this.#redis = options.redis;
    this.#keyspace = options.keyspace;
  }

  async take(request: TakeRequest, deadlineAtMs: number): Promise<TakeResult> {
    const args = [String(request.cost), String(request.maxDelayMs ?? -1), ...request.limits.scriptArgs];
    const reply = await this.#redis.run(this.#takeScript, [this.#keyOf(request.key)], args, deadlineAtMs);
    return toResult(reply, request.limits.limits.length);
  }

  async reset(key: SubjectKey, limits: CompiledLimits | undefined, deadlineAtMs: number): Promise<boolean> {
    const name = this.#keyOf(key);
    if (limits === undefined) {
      return (await this.#redis.send(name, ['UNLINK', name], deadlineAtMs)) === 1;
    }
    const fields = limits.limits.map((limit) => limit.field);
    return (await this.#redis.run(this.#resetScript, [name], fields, deadlineAtMs)) === 1;
  }

  #keyOf(key: SubjectKey): string {
    return this.#keyspace.rateLimit(key.scope, key.policy, key.subject);
  }
}

/** The script's text with this beginning, which must define `nowMs`. */
export function takeSource(now: string): string {
  return [now, ...TAKE_PARTS.map(readTextAsset)].join('\n');
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
