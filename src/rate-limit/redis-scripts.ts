/**
 * Assembles the Lua scripts of rate limits. Redis keeps every loaded script until it restarts, so the number of scripts
 * must not grow with the number of policies.
 *
 *   - lean: decides the common case and defines no Lua functions. There is one script per algorithm for a call with one
 *     limit, and one script for several limits.
 *   - take: the general script. The script decides all other calls that may consume units, for every algorithm and
 *     state.
 *   - peek: decides a call without writing, so this script also works while Redis rejects writes.
 *   - give: returns units to limits.
 *   - reset: deletes the state of limits.
 */
import type { AlgorithmName } from '../config/policy-file.ts';
import { readTextAsset } from '../lib/assets.ts';
import { defineScript, readPrelude, type Script } from '../redis/lua-script.ts';
import { blockDeclaring, withLibraries } from '../redis/script-library.ts';

const FOLDER = 'src/rate-limit';
const PRELUDE = readPrelude();
/** Lua block that reads the server's clock. Tests replace this block with a block that uses a time set by the test. */
const NOW = blockDeclaring('nowMs', PRELUDE);

/** Files of each lean script for one limit: `numbers` precedes `one-begin.lua`, and `steps` follow `value.lua`. */
const ONE_LIMIT: Readonly<Partial<Record<AlgorithmName, { numbers: string; steps: readonly string[] }>>> = {
  fixed_window: { numbers: 'scripts/lean/one-window.lua', steps: ['scripts/lean/fixed-window.lua'] },
  sliding_window_counter: {
    numbers: 'scripts/lean/one-window.lua',
    steps: ['scripts/lean/sliding-window-counter.lua'],
  },
  token_bucket: { numbers: 'scripts/lean/one-bucket.lua', steps: ['scripts/lean/bucket.lua'] },
  leaky_bucket: {
    numbers: 'scripts/lean/one-bucket.lua',
    steps: ['scripts/lean/bucket.lua', 'scripts/lean/max-delay.lua'],
  },
};

/** Files that all general scripts have in common. */
const GENERAL_PARTS: readonly string[] = [
  'scripts/general-begin.lua',
  'scripts/general-damage.lua',
  'algorithms/exact.lua',
  'algorithms/bucket.lua',
  'algorithms/fixed-window.lua',
  'algorithms/sliding-window-log.lua',
  'algorithms/sliding-window-counter.lua',
  'algorithms/token-bucket.lua',
  'algorithms/leaky-bucket.lua',
  'scripts/general-limits.lua',
];

export interface RateLimitScripts {
  readonly oneLimit: Readonly<Partial<Record<AlgorithmName, Script>>>;
  readonly several: Script;
  readonly take: Script;
  readonly peek: Script;
  readonly give: Script;
  readonly reset: Script;
}

/** Assembles all scripts. `now` is the Lua block that declares `nowMs`. */
export function loadRateLimitScripts(now = NOW): RateLimitScripts {
  const prelude = PRELUDE.replace(NOW, now);
  function assemble(parts: readonly string[]): string {
    return withLibraries(parts.map(textOf).join('\n'), [prelude]);
  }
  const oneLimit: Partial<Record<AlgorithmName, Script>> = {};
  for (const [name, { numbers, steps }] of Object.entries(ONE_LIMIT)) {
    const source = assemble([
      numbers,
      'scripts/lean/one-begin.lua',
      'scripts/lean/value.lua',
      ...steps,
      'scripts/lean/one-end.lua',
    ]);
    oneLimit[name as AlgorithmName] = defineScript(`rate-limit-take-${name.replaceAll('_', '-')}`, source, 'write');
  }
  const several = [
    textOf('scripts/lean/several-begin.lua'),
    textOf('scripts/lean/value.lua'),
    eachAlgorithm(),
    textOf('scripts/lean/several-end.lua'),
  ].join('\n');
  const writing = [...GENERAL_PARTS, 'scripts/general-write.lua'];
  return {
    oneLimit,
    several: defineScript('rate-limit-take-several', withLibraries(several, [prelude]), 'write'),
    take: defineScript('rate-limit-take', assemble([...writing, 'scripts/take.lua']), 'write'),
    peek: defineScript('rate-limit-peek', assemble([...GENERAL_PARTS, 'scripts/peek.lua']), 'read'),
    give: defineScript('rate-limit-give', assemble([...writing, 'scripts/give.lua']), 'write_in_place'),
    reset: defineScript('rate-limit-reset', textOf('scripts/reset.lua'), 'write_in_place'),
  };
}

/** Selects the Lua fragment of each limit by its algorithm number. */
function eachAlgorithm(): string {
  return [
    'if number == 1 then',
    textOf('scripts/lean/fixed-window.lua'),
    'elseif number == 3 then',
    textOf('scripts/lean/sliding-window-counter.lua'),
    'else',
    textOf('scripts/lean/bucket.lua'),
    'if number == 5 then',
    textOf('scripts/lean/max-delay.lua'),
    'end',
    'end',
  ].join('\n');
}

function textOf(path: string): string {
  return readTextAsset(`${FOLDER}/${path}`);
}
