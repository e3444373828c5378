/**
 * Compares the bounds in the guides and internals pages with the constants in the source code.
 *
 *   1. Each row of a table below contains the beginning of a line on a page, a phrase from that line, and the constant
 *      with its unit. In the phrase, # stands for the number.
 *   2. The test parses each constant from the text of its source file, because most files do not export their
 *      constants.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SETTINGS } from '../../src/config/settings.ts';
import { repositoryRoot } from '../support/repository.ts';

const MIB = 1_048_576;
const DAY_MS = 86_400_000;

type Row = readonly [line: string, text: string, file: string, constant: string, unit: number];

const SESSIONS: readonly Row[] = [
  ['| session id, handle |', '# bytes', 'session/model.ts', 'MAX_SESSION_ID_BYTES', 1],
  ['| user id |', '# bytes', 'session/model.ts', 'MAX_USER_ID_BYTES', 1],
  ['| data |', '# fields', 'session/model.ts', 'MAX_DATA_FIELDS', 1],
  ['| data |', 'names of 1 to # bytes', 'session/model.ts', 'MAX_DATA_FIELD_NAME_BYTES', 1],
  ['| data |', '# bytes of names and values', 'session/model.ts', 'MAX_DATA_BYTES', 1],
  ['| names in `remove` |', '| # |', 'session/model.ts', 'MAX_DATA_FIELDS', 1],
  ['| labels |', '| #, names', 'session/model.ts', 'MAX_LABELS', 1],
  ['| labels |', 'names of 1 to # bytes', 'session/model.ts', 'MAX_LABEL_NAME_BYTES', 1],
  ['| labels |', 'values of up to # bytes', 'session/model.ts', 'MAX_LABEL_VALUE_BYTES', 1],
  ['| labels |', '# bytes together', 'session/model.ts', 'MAX_LABELS_BYTES', 1],
  ['| timeouts |', '1 ms to # days', 'config/policy-file.ts', 'MAX_SESSION_TTL_MS', DAY_MS],
  ['| `grace_ms` |', '| # s |', 'session/model.ts', 'MAX_GRACE_MS', 1_000],
  ['| live sessions of a user |', '1 to #;', 'config/policy-file.ts', 'MAX_SESSIONS_PER_USER', 1],
  ['| listed sessions of a user |', '| # |', 'session/model.ts', 'MAX_LISTED_SESSIONS', 1],
  ['| listed sessions of a user |', 'the # oldest', 'session/model.ts', 'LISTED_SESSIONS_DROPPED', 1],
];

const CACHING: readonly Row[] = [
  ['| key |', '1 to # bytes', 'cache/model.ts', 'MAX_CACHE_KEY_BYTES', 1],
  ['| TTL |', '1 ms to # days', 'config/policy-file.ts', 'MAX_CACHE_TTL_MS', DAY_MS],
  ['| tags of a value |', '| #, each', 'cache/model.ts', 'MAX_CACHE_TAGS', 1],
  ['| tags of a value |', '1 to # bytes', 'cache/model.ts', 'MAX_CACHE_TAG_BYTES', 1],
  ['| keys of CacheGetMany |', '| # |', 'cache/request.ts', 'MAX_GET_MANY_KEYS', 1],
  ['| values in a response of CacheGetMany |', '| # MiB |', 'cache/service.ts', 'MAX_ANSWER_BYTES', MIB],
  ['| keys and tags of CacheInvalidate |', '| # of each |', 'cache/request.ts', 'MAX_INVALIDATE_KEYS', 1],
  ['| keys and tags of CacheInvalidate |', '| # of each |', 'cache/request.ts', 'MAX_INVALIDATE_TAGS', 1],
  ['| watches of a sidecar |', '| # |', 'near/invalidation-watches.ts', 'MAX_WATCHES', 1],
  ['| events queued for a watch |', '| # |', 'near/invalidation-watches.ts', 'MAX_QUEUE', 1],
  ['| namespaces of the memory store |', '| # |', 'cache/memory-store.ts', 'MAX_NAMESPACES', 1],
  ['A watch that receives no events', '`valid_for_ms` = #', 'cache/watch.ts', 'CONFIRMED_MS', 1],
  ['**Staleness bound.**', 'at most # s after the sidecar requested', 'near/near-cache.ts', 'LIFE_MS', 1_000],
];

const RATE_LIMITING: readonly Row[] = [
  ['| key |', '1 to # bytes', 'rate-limit/request.ts', 'MAX_SUBJECT_BYTES', 1],
  ['| limits of a policy or a call |', '| # |', 'config/policy-file.ts', 'MAX_LIMITS_PER_POLICY', 1],
  ['| checks of CheckRateLimits |', '| # |', 'rate-limit/service.ts', 'MAX_CHECKS', 1],
  ['| `limit` and `burst` |', 'at most # |', 'config/policy-file.ts', 'MAX_SLIDING_LOG_LIMIT', 1],
  ['| window |', '1 ms to # days', 'config/policy-file.ts', 'MAX_WINDOW_MS', DAY_MS],
  ['| stored fields of one key |', '| #;', 'rate-limit/store.ts', 'MAX_FIELDS', 1],
  ['| `deny` |', '`retryAfterMs` of # |', 'rate-limit/response.ts', 'FAILURE_RETRY_MS', 1],
];

const COHERENCE: readonly Row[] = [
  ['| lifetime of a near-cache entry |', '| # s |', 'near/near-cache.ts', 'LIFE_MS', 1_000],
  ['| reads in flight that may fill the near cache |', '| # |', 'near/near-cache.ts', 'MAX_PLACEHOLDERS', 1],
  ['| channels for near caches |', '| #,', 'near/invalidation-hub.ts', 'MAX_NEAR_CHANNELS', 1],
  ['| channels for near caches |', 'until # min', 'near/invalidation-hub.ts', 'IDLE_MS', 60_000],
  ['| watches, and events queued for each |', '| #;', 'near/invalidation-watches.ts', 'MAX_WATCHES', 1],
  ['| watches, and events queued for each |', '; # |', 'near/invalidation-watches.ts', 'MAX_QUEUE', 1],
  ['| confirmation |', '| # ms |', 'cache/watch.ts', 'CONFIRMED_MS', 1],
  ['| bytes that all calls', '| # MiB, and', 'cache/redis-read-many.ts', 'MAX_FIRST_ROUND_BYTES', MIB],
  ['| bytes that all calls', 'and # MiB', 'cache/redis-read-many.ts', 'MAX_SECOND_ROUND_BYTES', MIB],
  ['| value that a CacheGet reads', '| # KiB', 'cache/redis-read-many.ts', 'MAX_FIRST_ENTRY_BYTES', 1_024],
];

const RACES: readonly Row[] = [
  ['| ListUserSessions between', 'for # s', 'session/model.ts', 'LIST_ENTRY_SETTLES_MS', 1_000],
  ['- A login on Redis', 'It has # s', 'session/model.ts', 'LOGIN_SETTLES_MS', 1_000],
];

/** Returns the paragraph, list item or table row that begins with `beginning`, joined into one line. */
function lineOf(page: string, beginning: string): string {
  const text = readFileSync(join(repositoryRoot, 'docs', page), 'utf8').split(/\n(?=[|-] ?)|\n\n/);
  return text.find((part) => part.startsWith(beginning))?.replaceAll(/\s+/g, ' ') ?? '';
}

/** Returns the value of a constant that is a number or a product of numbers. */
function constantOf(file: string, name: string): number {
  const text = readFileSync(join(repositoryRoot, 'src', file), 'utf8');
  const factors = new RegExp(`\\bconst ${name} = ([\\d_.* ]+);`).exec(text)?.[1]?.split('*') ?? [];
  return factors.reduce(
    (product, factor) => product * Number(factor.replaceAll('_', '')),
    factors.length > 0 ? 1 : NaN,
  );
}

const PAGES: Readonly<Record<string, readonly Row[]>> = {
  'guides/sessions.md': SESSIONS,
  'guides/caching.md': CACHING,
  'guides/rate-limiting.md': RATE_LIMITING,
  'internals/cache-coherence.md': COHERENCE,
  'internals/session-races.md': RACES,
};

test.each(Object.entries(PAGES).flatMap(([page, rows]) => rows.map((row) => [page, ...row] as const)))(
  'docs/%s: %s %s is the value of %s %s',
  (page, line, text, file, constant, unit) => {
    const value = (constantOf(file, constant) / unit).toLocaleString('en-US');
    expect(lineOf(page, line)).toContain(text.replace('#', value));
  },
);

test('the guides state the defaults of the settings that they name', () => {
  const defaultOf = (name: string) => SETTINGS.find((setting) => setting.name === name)?.initial;
  expect(lineOf('guides/sessions.md', '| memory store')).toContain(
    `\`PANNIER_MEMORY_STORE_MAX_ENTRIES\` sessions (${Number(defaultOf('MEMORY_STORE_MAX_ENTRIES')).toLocaleString('en-US')} by default)`,
  );
  expect(lineOf('guides/caching.md', '| value |')).toContain(
    `${Number(defaultOf('CACHE_MAX_VALUE_BYTES')) / MIB} MiB by default`,
  );
});
