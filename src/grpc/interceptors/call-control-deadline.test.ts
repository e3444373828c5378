/**
 * Deadlines of calls: nothing starts too late, nothing is waited for too long, synchronous answers cost nothing.
 */
import { FakeClock } from '../../../test/support/lib/fake-clock.ts';
import { TimerWheel } from '../../lib/timer-wheel.ts';
import type { AnyMethod, CallContext, ResponseStream } from '../method.ts';
import type { Handler } from '../service-table.ts';
import { Status } from '../status.ts';
import { callControlInterceptor } from './call-control.ts';

const responses = {} as ResponseStream<unknown>;

function setUp(kind: AnyMethod['kind'], next: Handler) {
  const clock = new FakeClock();
  const wheel = new TimerWheel({ clock });
  const metrics = { method: () => ({ started: () => {}, finished: () => {} }) };
  const bounds = { maxCallsInFlight: 100, maxStreamsInFlight: 100 };
  const handler = callControlInterceptor({ clock, wheel, metrics, ...bounds })({ kind } as AnyMethod, next);
  function call(leftMs: number): unknown {
    return handler(
      'request',
      { deadlineAtMs: clock.monotonicMs() + leftMs, isOver: () => false } as CallContext,
      responses,
    );
  }
  function advance(durationMs: number): void {
    clock.advance(durationMs);
    wheel.advance();
  }
  return { wheel, call, advance };
}

/** A handler that is answered by hand. */
function deferred() {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  return { next: (() => promise) as Handler, resolve, reject };
}

const tooLate = expect.objectContaining({ code: Status.DEADLINE_EXCEEDED });

test.each(['unary', 'server_stream', 'bidi_stream'] as const)('%s: a call that is over starts nothing', (kind) => {
  let started = 0;
  const { call } = setUp(kind, () => {
    started += 1;
  });
  for (const leftMs of [0, -1, -1_000]) {
    expect(() => call(leftMs)).toThrow(tooLate);
  }
  expect(started).toBe(0);
  call(1);
  expect(started).toBe(1);
});

test('a synchronous answer stays one and has no entry in the wheel', () => {
  const answer = { allowed: true };
  const { call, wheel } = setUp('unary', () => answer);
  expect(call(1_000)).toBe(answer);
  expect(wheel.size).toBe(0);
});

test('an answer in time passes, and its entry goes', async () => {
  const { next, resolve } = deferred();
  const { call, wheel } = setUp('unary', next);
  const answer = call(1_000);
  expect(wheel.size).toBe(1);
  resolve('done');
  await expect(answer).resolves.toBe('done');
  expect(wheel.size).toBe(0);
});

test('an error in time passes as it is, and its entry goes', async () => {
  const { next, reject } = deferred();
  const { call, wheel } = setUp('unary', next);
  const answer = call(1_000);
  const error = new Error('the handler failed');
  reject(error);
  await expect(answer).rejects.toBe(error);
  expect(wheel.size).toBe(0);
});

test.each(['resolves', 'rejects'])(
  'a handler that %s too late is dropped: the caller was told before its deadline',
  async (how) => {
    const { next, resolve, reject } = deferred();
    const { call, wheel, advance } = setUp('unary', next);
    const answer = call(100) as Promise<unknown>;
    let end = 'open';
    answer.catch(() => {
      end = 'told';
    });
    advance(79);
    await Promise.resolve();
    expect(end).toBe('open');
    advance(11);
    await expect(answer).rejects.toEqual(tooLate);
    expect(wheel.size).toBe(0);
    if (how === 'resolves') {
      resolve('late');
    } else {
      reject(new Error('late'));
    }
    await expect(answer).rejects.toEqual(tooLate);
  },
);

test.each(['server_stream', 'bidi_stream'] as const)('%s: a stream is not timed here', async (kind) => {
  const { next, resolve } = deferred();
  const { call, wheel, advance } = setUp(kind, next);
  const answer = call(100);
  expect(wheel.size).toBe(0);
  advance(1_000);
  resolve('ended');
  await expect(answer).resolves.toBe('ended');
});
