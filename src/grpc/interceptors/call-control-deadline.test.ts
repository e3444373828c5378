/**
 * Tests the deadlines of calls: a call whose deadline has passed does not start, unary calls end before their deadline,
 * and synchronous results need no timer.
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

/** Returns a handler whose promise the test settles. */
function deferred() {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  return { next: (() => promise) as Handler, resolve, reject };
}

const tooLate = expect.objectContaining({ code: Status.DEADLINE_EXCEEDED });

test.each(['unary', 'server_stream', 'bidi_stream'] as const)(
  '%s: does not start a call whose deadline has passed',
  (kind) => {
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
  },
);

test('keeps a synchronous result synchronous, without an entry in the timer wheel', () => {
  const answer = { allowed: true };
  const { call, wheel } = setUp('unary', () => answer);
  expect(call(1_000)).toBe(answer);
  expect(wheel.size).toBe(0);
});

test('passes a result in time on, and removes its entry from the timer wheel', async () => {
  const { next, resolve } = deferred();
  const { call, wheel } = setUp('unary', next);
  const answer = call(1_000);
  expect(wheel.size).toBe(1);
  resolve('done');
  await expect(answer).resolves.toBe('done');
  expect(wheel.size).toBe(0);
});

test('passes an error in time on unchanged, and removes its entry from the timer wheel', async () => {
  const { next, reject } = deferred();
  const { call, wheel } = setUp('unary', next);
  const answer = call(1_000);
  const error = new Error('the handler failed');
  reject(error);
  await expect(answer).rejects.toBe(error);
  expect(wheel.size).toBe(0);
});

test.each(['resolves', 'rejects'])(
  'ends a call before its deadline, and drops the result of a handler that %s later',
  async (how) => {
    const { next, resolve, reject } = deferred();
    const { call, wheel, advance } = setUp('unary', next);
    const answer = call(100) as Promise<unknown>;
    let end = 'open';
    answer.catch(() => {
      end = 'ended';
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

test.each(['server_stream', 'bidi_stream'] as const)(
  '%s: leaves the deadline of a stream to the transport',
  async (kind) => {
    const { next, resolve } = deferred();
    const { call, wheel, advance } = setUp(kind, next);
    const answer = call(100);
    expect(wheel.size).toBe(0);
    advance(1_000);
    resolve('ended');
    await expect(answer).resolves.toBe('ended');
  },
);
