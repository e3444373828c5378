/**
 * The scripts of limits: a handful for the whole fleet, however many policies there are. Redis keeps every
 * script that was loaded until it restarts, so their number must not grow with the policies.
 *
 *   lean      one per algorithm for a call with one limit, one for calls with several: the common case, without functions and tables
 *   take      the general script: every algorithm, every state. Decides what a lean script leaves to it
 *   peek      decides and writes nothing: a read, answered while Redis refuses writes
 *   give      returns units
 *   reset     forgets limits
 */
import type { AlgorithmName } from '../config/policy-file.ts';
import { readTextAsset } from '../lib/assets.ts';
import { defineScript, readPrelude, type Script } from '../redis/lua-script.ts';
import { blockDeclaring, withLibraries } from '../redis/script-library.ts';

const FOLDER = 'src/rate-limit';
const PRELUDE = readPrelude();
/** Reads the server's clock; a test puts a time of its own in its place. */
const NOW = blockDeclaring('nowMs', PRELUDE);

/** The files before `one-begin.lua` and after `value.lua`. */
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

/** The files of the general scripts up to the one that decides. */
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

/** `now` is the text that declares `nowMs`. */
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

/** The fragments of the lean algorithms, chosen by the number of the limit's algorithm. */
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
