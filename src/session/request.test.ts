/**
 * Tests the status code and the text with which SessionService rejects each invalid request. No text contains an id, a
 * user, a value or the name of a data field.
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
  ['CreateSession', { userId: 'u'.repeat(257) }, 'user_id must be at most 256 bytes long, got 257 bytes'],
  ['CreateSession', { userId: 'ü'.repeat(129) }, 'user_id must be at most 256 bytes long, got 258 bytes'],
  ['CreateSession', { idleTtlMs: 0 }, `idle_ttl_ms must be between 1 and ${MONTH_MS}, got 0`],
  ['CreateSession', { idleTtlMs: -1 }, `idle_ttl_ms must be between 1 and ${MONTH_MS}, got -1`],
  ['CreateSession', { idleTtlMs: 2 ** 63 }, `idle_ttl_ms must be between 1 and ${MONTH_MS}, got 9223372036854776000`],
  [
    'CreateSession',
    { idleTtlMs: 43_200_001 },
    'idle_ttl_ms must be at most the absolute timeout of 43200000, got 43200001',
  ],
  ['CreateSession', { absoluteTtlMs: 0 }, `absolute_ttl_ms must be between 1 and ${MONTH_MS}, got 0`],
  [
    'CreateSession',
    { absoluteTtlMs: MONTH_MS + 1 },
    `absolute_ttl_ms must be between 1 and ${MONTH_MS}, got ${MONTH_MS + 1}`,
  ],
  ['CreateSession', { data: { '': Buffer.from('x') } }, 'field name in data must be 1 to 256 bytes long, got 0 bytes'],
  [
    'CreateSession',
    { data: { ['n'.repeat(257)]: Buffer.from('') } },
    'field name in data must be 1 to 256 bytes long, got 257 bytes',
  ],
  ['CreateSession', { data: fields(257) }, 'data must be at most 256 fields, got 257 fields'],
  [
    'CreateSession',
    { data: { a: Buffer.alloc(262_144) } },
    'data must be at most 262144 bytes including field names, got 262145 bytes',
  ],
  ['CreateSession', { labels: labels(17) }, 'labels must be at most 16 labels, got 17 labels'],
  ['CreateSession', { labels: { '': 'x' } }, 'label name must be 1 to 64 bytes long, got 0 bytes'],
  ['CreateSession', { labels: { ['n'.repeat(65)]: '' } }, 'label name must be 1 to 64 bytes long, got 65 bytes'],
  ['CreateSession', { labels: labels(1, 257) }, 'label value must be at most 256 bytes long, got 257 bytes'],
  ['CreateSession', { labels: labels(16, 128) }, 'labels must be at most 2048 bytes including names, got 2086 bytes'],
  ['GetSession', {}, 'session_id must be 1 to 256 bytes long, got 0 bytes'],
  ['GetSession', { sessionId: 'x'.repeat(257) }, 'session_id must be 1 to 256 bytes long, got 257 bytes'],
  ['UpdateSession', {}, 'session_id must be 1 to 256 bytes long, got 0 bytes'],
  ['UpdateSession', { sessionId: LIVE, ifVersion: 0 }, 'if_version must be between 1 and 9007199254740991, got 0'],
  ['UpdateSession', { sessionId: LIVE, idleTtlMs: 0 }, `idle_ttl_ms must be between 1 and ${MONTH_MS}, got 0`],
  [
    'UpdateSession',
    { sessionId: LIVE, idleTtlMs: 2, absoluteTtlMs: 1 },
    'idle_ttl_ms must be at most the absolute timeout of 1, got 2',
  ],
  ['UpdateSession', { sessionId: LIVE, remove: [''] }, 'remove[0] must be 1 to 256 bytes long, got 0 bytes'],
  [
    'UpdateSession',
    { sessionId: LIVE, remove: Object.keys(fields(257)) },
    'remove must be at most 256 names, got 257 names',
  ],
  [
    'UpdateSession',
    { sessionId: LIVE, set: fields(1), remove: ['f0'] },
    'remove[0] must be a name that is not in set, got a name that is',
  ],
  ['RotateSession', { sessionId: LIVE, graceMs: -1 }, 'grace_ms must be between 0 and 30000, got -1'],
  ['RotateSession', { sessionId: LIVE, graceMs: 30_001 }, 'grace_ms must be between 0 and 30000, got 30001'],
  [
    'RotateSession',
    { sessionId: LIVE, userId: 'u'.repeat(257) },
    'user_id must be at most 256 bytes long, got 257 bytes',
  ],
  ['RotateSession', { sessionId: LIVE, set: fields(257) }, 'set must be at most 256 fields, got 257 fields'],
  ['DeleteSession', {}, 'handle must be set when session_id is unset, got neither'],
  ['DeleteSession', { sessionId: LIVE, handle: 'h' }, 'handle must be unset when session_id is set, got both'],
  ['DeleteSession', { handle: 'h'.repeat(257) }, 'handle must be 1 to 256 bytes long, got 257 bytes'],
  ['ListUserSessions', {}, 'user_id must be 1 to 256 bytes long, got 0 bytes'],
  ['DeleteUserSessions', {}, 'user_id must be 1 to 256 bytes long, got 0 bytes'],
  [
    'DeleteUserSessions',
    { userId: 'u', exceptSessionId: 'x'.repeat(257) },
    'except_session_id must be 1 to 256 bytes long, got 257 bytes',
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

test.each(invalid)('%s rejects %j', (method, request, text) => {
  expect(sessionCalls().errorOf(method, request)).toBe(`INVALID_ARGUMENT ${text}`);
});

test('rejects a session id chosen by the caller as unimplemented', () => {
  expect(sessionCalls().errorOf('CreateSession', { sessionId: LIVE })).toBe(
    'UNIMPLEMENTED cannot create session: this version does not support session_id; leave it unset',
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

test.each(STRANGE_IDS)('reports an id that is not live as not found, whatever its form: %j', (sessionId) => {
  const calls = sessionCalls();
  const text = 'the session does not exist or has ended; create a new one';
  for (const method of ['GetSession', 'UpdateSession', 'RotateSession'] as const) {
    expect(calls.errorOf(method, { sessionId })).toBe(`NOT_FOUND cannot ${ACTIONS[method]}: ${text}`);
  }
  expect(calls.now('DeleteSession', { sessionId })).toEqual({ existed: false });
  expect(calls.now('DeleteSession', { handle: sessionId })).toEqual({ existed: false });
  expect(calls.errorOf('DeleteUserSessions', { userId: 'u', exceptSessionId: sessionId })).toBe(
    'NOT_FOUND cannot delete user sessions: except_session_id is not the id of a live session of this user; ' +
      'use such an id or leave it unset',
  );
});
