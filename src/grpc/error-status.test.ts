/**
 * The table of errors: what each becomes, that nothing of a cause leaks, and that docs/reference/errors.md says the same.
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
    ['unavailable', 'UNAVAILABLE', 'nothing was done, repeat the call', 100],
    ['unknown', 'UNKNOWN', 'it may have happened', undefined],
    ['deadline', 'DEADLINE_EXCEEDED', 'nothing was done', undefined],
    ['forbidden', 'FAILED_PRECONDITION', 'an operator must change the server or the settings', undefined],
    ['full', 'RESOURCE_EXHAUSTED', 'nothing was done', undefined],
  ] as const)('of kind %s is %s', (kind, name, text, retryPushbackMs) => {
    const status = expectedErrorStatus(new StoreError(kind, 'the node is away'));
    expect(status).toEqual({
      code: Status[name],
      message: `cannot use the store: the node is away, ${text}`,
      ...(retryPushbackMs === undefined ? {} : { retryPushbackMs }),
    });
  });

  test('keeps a detail that is a sentence of its own', () => {
    const error = new StoreError('full', 'cannot keep the session: there is no room');
    expect(expectedErrorStatus(error).message).toBe('cannot keep the session: there is no room, nothing was done');
  });

  test('adds no second remedy to the detail of a StoredFormatError', () => {
    const error = new StoredFormatError('the stored data has format 9; upgrade this sidecar');
    expect(expectedErrorStatus(error)).toEqual({
      code: Status.FAILED_PRECONDITION,
      message: 'cannot use the store: the stored data has format 9; upgrade this sidecar',
    });
  });

  test('has a row for every kind and no other', () => {
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

describe('what Redis says', () => {
  const unavailable = ['OOM', 'MISCONF', 'READONLY', 'LOADING', 'BUSY', 'UNKILLABLE', 'NOREPLICAS', 'CLUSTERDOWN'];
  unavailable.push('MASTERDOWN', 'TRYAGAIN', 'MOVED', 'ASK', 'NOSCRIPT', 'DAMAGED');
  const forbidden = ['NOAUTH', 'WRONGPASS', 'NOPROTO', 'WRONGTYPE', 'CROSSSLOT'];

  test('is known by name, all of it', () => {
    expect([...SERVER_ERROR_ROWS.keys()].sort()).toEqual([...unavailable, ...forbidden].sort());
  });

  test.each(unavailable)('%s: nothing was done, repeat it later', (serverCode) => {
    const status = expectedErrorStatus(new StoreError('unavailable', 'detail', { serverCode }));
    expect(status).toMatchObject({ code: Status.UNAVAILABLE });
    expect([100, 1_000]).toContain(status.retryPushbackMs);
    expect(status.message).toMatch(new RegExp(`^cannot use the store: .*, wanted .* \\(${serverCode}\\)$`));
  });

  test.each(forbidden)('%s: an operator must act, repeating is no use', (serverCode) => {
    const status = expectedErrorStatus(new StoreError('forbidden', 'detail', { serverCode }));
    expect(status).toMatchObject({ code: Status.FAILED_PRECONDITION });
    expect(status).not.toHaveProperty('retryPushbackMs');
    expect(status.message).toMatch(new RegExp(`^cannot use the store: .*, wanted .* \\(${serverCode}\\)$`));
  });

  test.each([
    ['unknown', Status.UNKNOWN],
    ['deadline', Status.DEADLINE_EXCEEDED],
  ] as const)('does not outrank kind %s, which says more', (kind, code) => {
    for (const serverCode of SERVER_ERROR_ROWS.keys()) {
      expect(expectedErrorStatus(new StoreError(kind, 'detail', { serverCode })).code).toBe(code);
    }
  });

  test('leaves an unknown name to the kind', () => {
    const error = new StoreError('unavailable', 'the server refused', { serverCode: 'NEWCODE' });
    expect(expectedErrorStatus(error)).toMatchObject({
      code: Status.UNAVAILABLE,
      message: 'cannot use the store: the server refused, nothing was done, repeat the call',
    });
  });
});

describe('any other error', () => {
  const INTERNAL = {
    code: Status.INTERNAL,
    message: "cannot answer: internal error, see the sidecar's log",
  };

  test.each([
    ['an Error', new Error(SECRET)],
    ['a TypeError with a cause', new TypeError('x', { cause: new Error(SECRET) })],
    ['a string', SECRET],
    ['undefined', undefined],
    ['an object that looks like a status', { code: 5, message: SECRET }],
  ])('%s is INTERNAL with a fixed text', (_name, error) => {
    const lines: object[] = [];
    expect(errorStatus(error, { error: (fields) => lines.push(fields) }, '/a.B/C')).toEqual(INTERNAL);
    expect(lines).toEqual([{ method: '/a.B/C', ...describeCause(error) }]);
    expect(statusCodeOf(error)).toBe(Status.INTERNAL);
  });

  test('a cause never reaches the caller', () => {
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
  test('passes as it is', () => {
    const error = new StatusError(Status.ABORTED, 'cannot update session: no', { retryPushbackMs: 7 });
    const message = 'cannot update session: no';
    expect(expectedErrorStatus(error)).toEqual({ code: Status.ABORTED, message, retryPushbackMs: 7 });
    expect(expectedErrorStatus(new StatusError(Status.ABORTED, message))).not.toHaveProperty('retryPushbackMs');
  });

  test('has a text that can be sent: at most 1,000 characters, no half of a surrogate pair', () => {
    const { message } = expectedErrorStatus(new StatusError(Status.ABORTED, `${'x'.repeat(999)}\u{1f600}tail`));
    expect(message).toBe(`${'x'.repeat(999)}\ufffd`);
    expect(message.isWellFormed()).toBe(true);
  });
});

describe('what the log is told of a cause', () => {
  test('is the class and the place, and no text that may quote what a user sent', () => {
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

  test.each(rows)('has the row of %s as it is', (name, row) => {
    const pushback = row.retryPushbackMs === undefined ? '' : ` ${row.retryPushbackMs} ms`;
    expect(text.split('\n')).toContain(`| \`${name}\` | \`${statusName(row.code)}\` |${pushback} | ${row.text} |`);
  });

  test('has no row of an error that is none', () => {
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
