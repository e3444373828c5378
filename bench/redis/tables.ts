/**
 * Formats the results as text: a table for each load, and the targets that the run meets or misses.
 */
import { IN_FLIGHT, type LoadName, OPEN_RATE_PER_SECOND } from './load.ts';
import { EVALSHA_SET, GET, INCRBY_EXPIRE } from './operations.ts';
import type { Results, Spread } from './results.ts';
import type { Verdict } from './verdicts.ts';

const COLUMNS = ['Redis us', 'min-max', 'x SET', 'x GET', 'x INCRBY', 'own us'];

const LOAD_TEXT: Readonly<Record<LoadName, string>> = {
  saturated: `saturated, ${IN_FLIGHT} in flight`,
  open: `one by one, ${OPEN_RATE_PER_SECOND}/s`,
};

export function tableText(names: readonly string[], load: LoadName, results: Results): string {
  const rows = names.map((name) => {
    const redis = results.spread(name, load, 'redisUs');
    const own = results.spread(name, load, 'ownUs');
    const ratios = [EVALSHA_SET, GET, INCRBY_EXPIRE].map((to) => fixed(results.ratio(name, to, load)?.value));
    const minMax = redis === undefined ? '-' : `${redis.min.toFixed(1)}-${redis.max.toFixed(1)}`;
    return line(`  ${name}`, [fixed(redis?.value), minMax, ...ratios, fixed(own?.value)]);
  });
  return ['', LOAD_TEXT[load], line('', COLUMNS), ...rows].join('\n');
}

export function verdictsText(verdicts: readonly Verdict[]): string {
  const lines = verdicts.map(({ operation, to, load, max, ratio, outcome }) => {
    const spread = ratio === undefined ? '' : `, rounds ${range(ratio)}`;
    const value = fixed(ratio?.value).padStart(6);
    return `  ${outcome.padEnd(14)}${value}  ${operation} / ${to}, ${LOAD_TEXT[load]}: goal <= ${max}${spread}`;
  });
  return ['', 'Verdicts (CPU of Redis, median of the ratios of all rounds)', ...lines].join('\n');
}

function range({ min, max }: Spread): string {
  return `${min.toFixed(2)} to ${max.toFixed(2)}`;
}

function fixed(value: number | undefined): string {
  return value === undefined ? '-' : value.toFixed(2);
}

function line(name: string, columns: readonly string[]): string {
  return `${name.padEnd(30)}${columns.map((column) => column.padStart(11)).join('')}`;
}
