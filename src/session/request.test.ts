/**
 * Malformed requests of SessionService, each with its code and text: none names an id, a user, a value or a field of data.
 */
import { type SessionMethod, sessionCalls } from '../../test/support/session/calls.ts';

const LIVE = `${'s'.repeat(22)}.${'t'.repeat(22)}`;
const MONTH_MS = 2_592_000_000;

function fields(count: number): Record<string, Buffer> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, Buffer.from('x')]));
}

function labels(count: number, length = 1): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`l${index}`, 'x'.repeat(length)]));
}

const invalid: [SessionMethod, object, string][] = [
  ['CreateSession', { userId: 'u'.repeat(257) }, 'user_id is 257 bytes long, wanted 0 to 256 bytes'],
  ['CreateSession', { userId: 'ü'.repeat(129) }, 'user_id is 258 bytes long, wanted 0 to 256 bytes'],
  ['CreateSession', { idleTtlMs: 0 }, `idle_ttl_ms is 0, wanted 1 to ${MONTH_MS}`],
  ['CreateSession', { idleTtlMs: -1 }, `idle_ttl_ms is -1, wanted 1 to ${MONTH_MS}`],
  ['CreateSession', { idleTtlMs: 2 ** 63 }, `idle_ttl_ms is 9223372036854776000, wanted 1 to ${MONTH_MS}`],
  ['CreateSession', { idleTtlMs: 43_200_001 }, 'idle_ttl_ms is 43200001, wanted at most the absolute life, 43200000'],
  ['CreateSession', { absoluteTtlMs: 0 }, `absolute_ttl_ms is 0, wanted 1 to ${MONTH_MS}`],
  ['CreateSession', { absoluteTtlMs: MONTH_MS + 1 }, `absolute_ttl_ms is ${MONTH_MS + 1}, wanted 1 to ${MONTH_MS}`],
  ['CreateSession', { data: { '': Buffer.from('x') } }, 'a field name of data is empty, wanted 1 to 256 bytes'],
  [
    'CreateSession',
    { data: { ['n'.repeat(257)]: Buffer.from('') } },
    'a field name of data is 257 bytes long, wanted 1 to 256 bytes',
  ],
  ['CreateSession', { data: fields(257) }, 'data is 257 fields, wanted at most 256'],
  [
    'CreateSession',
    { data: { a: Buffer.alloc(262_144) } },
    'data is 262145 bytes with its names, wanted at most 262144',
  ],
  ['CreateSession', { labels: labels(17) }, 'labels is 17 labels, wanted at most 16'],
  ['CreateSession', { labels: { '': 'x' } }, 'a name of labels is empty, wanted 1 to 64 bytes'],
  ['CreateSession', { labels: { ['n'.repeat(65)]: '' } }, 'a name of labels is 65 bytes long, wanted 1 to 64 bytes'],
  ['CreateSession', { labels: labels(1, 257) }, 'a value of labels is 257 bytes long, wanted 0 to 256 bytes'],
  ['CreateSession', { labels: labels(16, 128) }, 'labels is 2086 bytes with their names, wanted at most 2048'],
  ['GetSession', {}, 'session_id is empty, wanted 1 to 256 bytes'],
  ['GetSession', { sessionId: 'x'.repeat(257) }, 'session_id is 257 bytes long, wanted 1 to 256 bytes'],
  ['UpdateSession', {}, 'session_id is empty, wanted 1 to 256 bytes'],
  ['UpdateSession', { sessionId: LIVE, ifVersion: 0 }, 'if_version is 0, wanted 1 to 9007199254740991'],
  ['UpdateSession', { sessionId: LIVE, idleTtlMs: 0 }, `idle_ttl_ms is 0, wanted 1 to ${MONTH_MS}`],
  [
    'UpdateSession',
    { sessionId: LIVE, idleTtlMs: 2, absoluteTtlMs: 1 },
    'idle_ttl_ms is 2, wanted at most the absolute life, 1',
  ],
  ['UpdateSession', { sessionId: LIVE, remove: [''] }, 'a field name of remove is empty, wanted 1 to 256 bytes'],
  ['UpdateSession', { sessionId: LIVE, remove: Object.keys(fields(257)) }, 'remove is 257 names, wanted at most 256'],
  [
    'UpdateSession',
    { sessionId: LIVE, set: fields(1), remove: ['f0'] },
    'remove is a list with a name that set has as well, wanted each name in one of them',
  ],
  ['RotateSession', { sessionId: LIVE, graceMs: -1 }, 'grace_ms is -1, wanted 0 to 30000'],
  ['RotateSession', { sessionId: LIVE, graceMs: 30_001 }, 'grace_ms is 30001, wanted 0 to 30000'],
  ['RotateSession', { sessionId: LIVE, userId: 'u'.repeat(257) }, 'user_id is 257 bytes long, wanted 0 to 256 bytes'],
  ['RotateSession', { sessionId: LIVE, set: fields(257) }, 'set is 257 fields, wanted at most 256'],
  ['DeleteSession', {}, 'handle is unset as session_id is, wanted exactly one of session_id and handle'],
  [
    'DeleteSession',
    { sessionId: LIVE, handle: 'h' },
    'handle is set as session_id is, wanted exactly one of session_id and handle',
  ],
  ['DeleteSession', { handle: 'h'.repeat(257) }, 'handle is 257 bytes long, wanted 1 to 256 bytes'],
  ['ListUserSessions', {}, 'user_id is empty, wanted 1 to 256 bytes'],
  ['DeleteUserSessions', {}, 'user_id is empty, wanted 1 to 256 bytes'],
  [
    'DeleteUserSessions',
    { userId: 'u', exceptSessionId: 'x'.repeat(257) },
    'except_session_id is 257 bytes long, wanted 1 to 256 bytes',
  ],
];

const ACTIONS: Record<SessionMethod, string> = {
  CreateSession: 'create session',
  GetSession: 'get session',
  UpdateSession: 'update session',
  RotateSession: 'rotate session',
  DeleteSession: 'delete session',
  ListUserSessions: 'list user sessions',
  DeleteUserSessions: 'delete user sessions',
};

test.each(invalid)('%s refuses %j', (method, request, text) => {
  expect(sessionCalls().errorOf(method, request)).toBe(`INVALID_ARGUMENT cannot ${ACTIONS[method]}: ${text}`);
});

test('an id that the caller made is not served yet', () => {
  expect(sessionCalls().errorOf('CreateSession', { sessionId: LIVE })).toBe(
    'UNIMPLEMENTED cannot create session: session_id is not served by this version, leave it unset',
  );
});

const STRANGE_IDS = [
  'x',
  '.',
  'a.b',
  ' ',
  '\u0000',
  'ü',
  '😀'.repeat(64),
  `${LIVE}.`,
  `${LIVE}\n`,
  LIVE,
  'x'.repeat(256),
];

test.each(STRANGE_IDS)('an id of whatever form that is not live is not found: %j', (sessionId) => {
  const calls = sessionCalls();
  const text = 'no live session has this session_id, wanted one that has neither expired nor been ended';
  for (const method of ['GetSession', 'UpdateSession', 'RotateSession'] as const) {
    expect(calls.errorOf(method, { sessionId })).toBe(`NOT_FOUND cannot ${ACTIONS[method]}: ${text}`);
  }
  expect(calls.now('DeleteSession', { sessionId })).toEqual({ existed: false });
  expect(calls.now('DeleteSession', { handle: sessionId })).toEqual({ existed: false });
  expect(calls.errorOf('DeleteUserSessions', { userId: 'u', exceptSessionId: sessionId })).toBe(
    'NOT_FOUND cannot delete user sessions: no live session of this user has the except_session_id, ' +
      'wanted one that is to be kept; nothing was deleted',
  );
});
