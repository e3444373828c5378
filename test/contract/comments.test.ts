/**
 * Tests that the protos and the guides state which options and values this version does not support.
 *
 *   1. For every unsupported field or enum value, both its comment in the proto and the guide of its service state that
 *      this version does not support it.
 *   2. The list of fields and values that the services never send matches the code of the services.
 */
import { ALGORITHMS } from '../../src/rate-limit/algorithms/algorithm.ts';
import { readRepositoryFile, repositoryFiles } from '../support/repository.ts';

/**
 * Fields and enum values, by the guide that mentions them. The services never set these fields and never send these
 * enum values.
 */
const NEVER_SENT: Readonly<Record<string, readonly string[]>> = {
  'docs/guides/caching.md': [
    'CacheOutcome.CACHE_OUTCOME_UNSPECIFIED',
    'CacheOutcome.CACHE_OUTCOME_STALE',
    'CacheGetResponse.lease',
    'CacheGetResponse.holds_lease',
    'CacheGetResponse.retry_ms',
  ],
  'docs/guides/rate-limiting.md': [
    'Algorithm.ALGORITHM_UNSPECIFIED',
    'Algorithm.ALGORITHM_CONCURRENCY',
    'DecidedBy.DECIDED_BY_UNSPECIFIED',
    'DecidedBy.DECIDED_BY_NEAR',
    'DecidedBy.DECIDED_BY_LEASE',
    'CheckRateLimitResponse.shadow_denied',
    'CheckRateLimitResponse.reservation_id',
    'SettleRateLimitResponse.settled',
  ],
};
/**
 * Options and enum values, by the guide that mentions them. The services reject requests that contain these options or
 * values.
 */
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  'docs/guides/caching.md': [
    'CacheGetRequest.lease_ms',
    'CacheGetRequest.wait_ms',
    'CacheGetRequest.tags',
    'CacheSetRequest.lease',
    'CacheSetRequest.stale_ms',
    'CacheSetRequest.load_ms',
    'CacheSetRequest.release',
  ],
  'docs/guides/rate-limiting.md': [
    'Limit.hold_ms',
    'FailureMode.FAILURE_MODE_LOCAL',
    'CheckRateLimitRequest.request_id',
    'CheckRateLimitRequest.partial',
    'CheckRateLimitRequest.reserve',
    'CheckRateLimitRequest.reserve_ms',
    'SettleRateLimitRequest.extend_ms',
  ],
  'docs/guides/sessions.md': ['CreateSessionRequest.session_id'],
};
const SENT_ENUMS: Readonly<Record<string, string>> = {
  CacheOutcome: 'src/cache',
  CacheSource: 'src/cache',
  DecidedBy: 'src/rate-limit',
};
/** Directories of the code that builds the responses. */
const SERVICES = ['src/cache', 'src/rate-limit', 'src/session'];
const SENT_MESSAGE = /(Response|^LimitStatus|^Session|^SessionInfo|^CheckRateLimitError|^CheckRateLimitResult)\./;
const NOT_SERVED = /This version does not support the (field|value)|never sent/;

/** Returns the comments of all fields and enum values. The keys have the form `Message.field` or `Enum.VALUE`. */
function readComments(): Map<string, string> {
  const comments = new Map<string, string>();
  for (const path of repositoryFiles(['proto/pannier/**/*.proto'])) {
    const scopes: string[] = [];
    let comment: string[] = [];
    for (const line of readRepositoryFile(path)
      .split('\n')
      .map((text) => text.trim())) {
      if (line.startsWith('//')) {
        comment.push(line.slice(2).trim());
        continue;
      }
      const opened = /^(message|enum|oneof|service) (\w+) \{(\})?/.exec(line);
      const member = /^(?:[\w.<>, ]+ )?(\w+) = \d+;/.exec(line);
      if (opened !== null && opened[3] === undefined) {
        // The members of a oneof are fields of the message that contains the oneof.
        scopes.push((opened[1] === 'oneof' ? scopes.at(-1) : opened[2]) ?? '');
      } else if (line === '}') {
        scopes.pop();
      } else if (member !== null) {
        comments.set(`${scopes.at(-1)}.${member[1]}`, comment.join(' '));
      }
      comment = [];
    }
  }
  return comments;
}

function codeBelow(directory: string): string {
  const paths = repositoryFiles([`${directory}/**/*.ts`]).filter((path) => !path.endsWith('.test.ts'));
  return paths.map(readRepositoryFile).join('\n');
}

function namesIn(...tables: Readonly<Record<string, readonly string[]>>[]): string[] {
  return tables.flatMap((table) => Object.values(table).flat()).toSorted();
}

const comments = readComments();

test('exactly the options and values that are not served have a comment that says so', () => {
  const saying = [...comments].filter(([, comment]) => NOT_SERVED.test(comment)).map(([name]) => name);
  expect(saying.toSorted()).toEqual(namesIn(NEVER_SENT, REFUSED));
});

test('comments of unsupported options say that the call fails, and comments of responses say "never sent" or name the only value', () => {
  const textOf = (name: string) => comments.get(name) ?? '';
  expect(namesIn(REFUSED).filter((name) => !textOf(name).includes('fails with'))).toEqual([]);
  expect(namesIn(NEVER_SENT).filter((name) => !/never sent|always (empty|0|false)/.test(textOf(name)))).toEqual([]);
});

test.each(Object.keys({ ...NEVER_SENT, ...REFUSED }))('%s names the options and values that are not served', (page) => {
  const text = readRepositoryFile(page);
  const names = [...(NEVER_SENT[page] ?? []), ...(REFUSED[page] ?? [])].filter(
    (name) => !name.endsWith('_UNSPECIFIED'),
  );
  expect(names.filter((name) => !text.includes(`\`${name.split('.')[1]}\``))).toEqual([]);
});

test('the enum values that are never sent are exactly those that the code does not mention', () => {
  const notMentioned = Object.entries(SENT_ENUMS).flatMap(([name, directory]) => {
    const code = codeBelow(directory);
    const values = [...comments.keys()].filter((member) => member.startsWith(`${name}.`));
    return values.filter((value) => !code.includes(value));
  });
  const served = new Set(ALGORITHMS.map(({ name }) => `Algorithm.ALGORITHM_${name.toUpperCase()}`));
  const notServed = [...comments.keys()].filter((member) => member.startsWith('Algorithm.') && !served.has(member));
  const listed = namesIn(NEVER_SENT).filter((name) => /\.[A-Z_]+$/.test(name));
  expect([...notMentioned, ...notServed].toSorted()).toEqual(listed);
});

test('the response fields that are never sent are exactly those that the code leaves at their defaults', () => {
  const code = SERVICES.map(codeBelow).join('\n');
  const neverSet = [...comments.keys()].filter((name) => {
    const field = (name.split('.')[1] ?? '').replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    const isSet = new RegExp(`\\b${field}: (?!''|0\\b|false\\b)|[{,]\\s*${field}\\s*[,}]`);
    return SENT_MESSAGE.test(name) && !isSet.test(code);
  });
  expect(neverSet.toSorted()).toEqual(namesIn(NEVER_SENT).filter((name) => SENT_MESSAGE.test(name)));
});

test('the proto and the guide say that one flush may be reported several times', () => {
  expect(readRepositoryFile('proto/pannier/v1/cache.proto')).toMatch(
    /whole namespace may be reported by several flushes.*idempotently/,
  );
  expect(readRepositoryFile('docs/guides/caching.md')).toMatch(
    /whole namespace may be reported by several `flush` events/,
  );
});

test('the pages do not recommend a condition against a slow load, because a miss has no version', () => {
  const row = /^\| R11 .*$/m.exec(readRepositoryFile('docs/internals/cache-coherence.md'))?.[0];
  expect(row).toMatch(/slow loader/);
  expect(row).not.toMatch(/if_version|if_absent/);
  const conditions = /`if_version`[^.]*\./g;
  const section = readRepositoryFile('docs/guides/caching.md')
    .split(/^## /m)
    .find((text) => text.startsWith('Can a stale value'));
  expect(section?.match(conditions)).toEqual([expect.stringMatching(/^`if_version` and `if_absent` do not\s+help/)]);
});
