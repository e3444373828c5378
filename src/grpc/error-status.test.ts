/**
 * Tests the statuses of errors, that no cause reaches a caller, and that docs/reference/errors.md lists the same
 * messages.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { StoredFormatError, StoreError, type StoreErrorKind } from '../lib/store-error.ts';
import {
  describeCause,
  errorStatus,
  expectedErrorStatus,
  SERVER_ERROR_ROWS,
  STORE_ERROR_ROWS,
  type StatusRow,
  statusCodeOf,
} from './error-status.ts';
import { Status, StatusError, statusName } from './status.ts';

const SECRET = 'session-4711';

describe('an error of the store', () => {
  test.each([
    ['unavailable', 'UNAVAILABLE', 'retry the call', 100],
    ['unknown', 'UNKNOWN', 'the call may have been executed', undefined],
    ['deadline', 'DEADLINE_EXCEEDED', 'the call was not executed', undefined],
    ['forbidden', 'FAILED_PRECONDITION', 'correct the Redis server or the settings', undefined],
    ['full', 'RESOURCE_EXHAUSTED', 'the call was not executed', undefined],
  ] as const)('of kind %s becomes %s', (kind, name, text, retryPushbackMs) => {
    const status = expectedErrorStatus(new StoreError(kind, 'the node is unreachable'));
    expect(status).toEqual({
      code: Status[name],
      message: `cannot use the store: the node is unreachable; ${text}`,
      ...(retryPushbackMs === undefined ? {} : { retryPushbackMs }),
    });
  });

  test('keeps a detail that begins with "cannot"', () => {
    const error = new StoreError('full', 'cannot store the session: the memory store is full');
    expect(expectedErrorStatus(error).message).toBe(
      'cannot store the session: the memory store is full; the call was not executed',
    );
  });

  test('adds no second remedy to its detail, except for kind unknown', () => {
    const detail = 'other logins are in progress; retry the call';
    const messages = Object.keys(STORE_ERROR_ROWS).map(
      (kind) => expectedErrorStatus(new StoreError(kind as StoreErrorKind, detail)).message,
    );
    const text = `cannot use the store: ${detail}`;
    expect(messages).toEqual([text, `${text}; the call may have been executed`, text, text, text]);
  });

  test('adds no second remedy to the detail of a StoredFormatError', () => {
    const error = new StoredFormatError('the stored data has format 9; upgrade this sidecar');
    expect(expectedErrorStatus(error)).toEqual({
      code: Status.FAILED_PRECONDITION,
      message: 'cannot use the store: the stored data has format 9; upgrade this sidecar',
    });
  });

  test('has one row for each kind', () => {
    const kinds: Record<StoreErrorKind, true> = {
      unavailable: true,
      unknown: true,
      forbidden: true,
      deadline: true,
      full: true,
    };
    expect(Object.keys(STORE_ERROR_ROWS).sort()).toEqual(Object.keys(kinds).sort());
  });
});

describe('an error code of Redis', () => {
  const unavailable = ['OOM', 'MISCONF', 'READONLY', 'LOADING', 'BUSY', 'UNKILLABLE', 'NOREPLICAS', 'CLUSTERDOWN'];
  unavailable.push('MASTERDOWN', 'TRYAGAIN', 'MOVED', 'ASK', 'NOSCRIPT', 'DAMAGED');
  const forbidden = ['NOAUTH', 'WRONGPASS', 'NOPROTO', 'WRONGTYPE', 'CROSSSLOT'];

  test('has exactly the rows that this test lists', () => {
    expect([...SERVER_ERROR_ROWS.keys()].sort()).toEqual([...unavailable, ...forbidden].sort());
  });

  test.each(unavailable)('%s becomes UNAVAILABLE with a pushback', (serverCode) => {
    const status = expectedErrorStatus(new StoreError('unavailable', 'detail', { serverCode }));
    expect(status).toMatchObject({ code: Status.UNAVAILABLE });
    expect([100, 1_000]).toContain(status.retryPushbackMs);
    expect(status.message).toMatch(new RegExp(`^cannot use the store: .*; .* \\(${serverCode}\\)$`));
  });

  test.each(forbidden)('%s becomes FAILED_PRECONDITION without a pushback', (serverCode) => {
    const status = expectedErrorStatus(new StoreError('forbidden', 'detail', { serverCode }));
    expect(status).toMatchObject({ code: Status.FAILED_PRECONDITION });
    expect(status).not.toHaveProperty('retryPushbackMs');
    expect(status.message).toMatch(new RegExp(`^cannot use the store: .*; .* \\(${serverCode}\\)$`));
  });

  test.each([
    ['unknown', Status.UNKNOWN],
    ['deadline', Status.DEADLINE_EXCEEDED],
  ] as const)('does not take precedence over kind %s', (kind, code) => {
    for (const serverCode of SERVER_ERROR_ROWS.keys()) {
      expect(expectedErrorStatus(new StoreError(kind, 'detail', { serverCode })).code).toBe(code);
    }
  });

  test('is ignored if it has no row', () => {
    const error = new StoreError('unavailable', 'the server refused', { serverCode: 'NEWCODE' });
    expect(expectedErrorStatus(error)).toMatchObject({
      code: Status.UNAVAILABLE,
      message: 'cannot use the store: the server refused; retry the call',
    });
  });
});

describe('any other error', () => {
  const INTERNAL = {
    code: Status.INTERNAL,
    message: "cannot answer the call: internal error; see the sidecar's log",
  };

  test.each([
    ['an Error', new Error(SECRET)],
    ['a TypeError with a cause', new TypeError('x', { cause: new Error(SECRET) })],
    ['a string', SECRET],
    ['undefined', undefined],
    ['an object that looks like a status', { code: 5, message: SECRET }],
  ])('%s becomes INTERNAL with a fixed text and is logged', (_name, error) => {
    const lines: object[] = [];
    expect(errorStatus(error, { error: (fields) => lines.push(fields) }, '/a.B/C')).toEqual(INTERNAL);
    expect(lines).toEqual([{ method: '/a.B/C', ...describeCause(error) }]);
    expect(statusCodeOf(error)).toBe(Status.INTERNAL);
  });

  test('does not send its cause to the caller', () => {
    const cause = new Error(SECRET);
    const errors = [
      new StatusError(Status.NOT_FOUND, 'cannot find it', { cause }),
      ...Object.keys(STORE_ERROR_ROWS).map((kind) => new StoreError(kind as StoreErrorKind, 'detail', { cause })),
      new StoreError('unavailable', SECRET, { cause, serverCode: 'OOM' }),
    ];
    for (const error of errors) {
      expect(expectedErrorStatus(error).message).not.toContain(SECRET);
    }
  });
});

describe('a StatusError', () => {
  test('keeps its code, text and pushback', () => {
    const error = new StatusError(Status.ABORTED, 'cannot update session: no', { retryPushbackMs: 7 });
    const message = 'cannot update session: no';
    expect(expectedErrorStatus(error)).toEqual({ code: Status.ABORTED, message, retryPushbackMs: 7 });
    expect(expectedErrorStatus(new StatusError(Status.ABORTED, message))).not.toHaveProperty('retryPushbackMs');
  });

  test('is cut to 1,000 characters without an unpaired surrogate', () => {
    const { message } = expectedErrorStatus(new StatusError(Status.ABORTED, `${'x'.repeat(999)}\u{1f600}tail`));
    expect(message).toBe(`${'x'.repeat(999)}\ufffd`);
    expect(message.isWellFormed()).toBe(true);
  });
});

describe('the description of a cause in the log', () => {
  test('has the class and the stack, but no text that may contain user data', () => {
    const parsing = catchError(() => JSON.parse(`{"${SECRET}": oops}`));
    const described = describeCause(new Error('cannot read it', { cause: parsing }));
    expect(described.error).toBe('Error: cannot read it; caused by SyntaxError');
    expect(described.stack).toMatch(/^\s+at /);
    expect(JSON.stringify(describeCause(parsing))).not.toContain(SECRET);
    expect(describeCause(SECRET)).toEqual({ error: 'a thrown string', stack: '' });
  });
});

describe('docs/reference/errors.md', () => {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'reference', 'errors.md'), 'utf8');
  const rows: [string, StatusRow][] = [...Object.entries<StatusRow>(STORE_ERROR_ROWS), ...SERVER_ERROR_ROWS];

  test.each(rows)('has the row of %s', (name, row) => {
    const pushback = row.retryPushbackMs === undefined ? '' : ` ${row.retryPushbackMs} ms`;
    expect(text.split('\n')).toContain(`| \`${name}\` | \`${statusName(row.code)}\` |${pushback} | ${row.text} |`);
  });

  test('has no row of an error that does not exist', () => {
    const named = [...text.matchAll(/^\| `(\w+)` \| `[A-Z_]+` \|(?: \d+ ms)? \| /gm)].map((match) => match[1]);
    expect(named.sort()).toEqual(rows.map(([name]) => name).sort());
  });
});

function catchError(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error;
  }
}
