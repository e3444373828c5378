/**
 * Tests the metrics of calls: the metrics count each started call as finished once, with its code and duration.
 */
import { FakeClock } from '../../../test/support/lib/fake-clock.ts';
import { StoreError } from '../../lib/store-error.ts';
import { TimerWheel } from '../../lib/timer-wheel.ts';
import type { AnyMethod, CallContext, ResponseStream } from '../method.ts';
import type { Handler } from '../service-table.ts';
import { Status, StatusError } from '../status.ts';
import { callControlInterceptor } from './call-control.ts';

const responses = {} as ResponseStream<unknown>;

function setUp(next: Handler) {
  const clock = new FakeClock();
  const finished: [number, number][] = [];
  const made: [string, string][] = [];
  let started = 0;
  const metrics = {
    method: (path: string, kind: AnyMethod['kind']) => {
      made.push([path, kind]);
      return {
        started: () => {
          started += 1;
        },
        finished: (code: number, durationMs: number) => finished.push([code, durationMs]),
      };
    },
  };
  const method = { path: '/pannier.test.v1.Service/Method', kind: 'unary' } as AnyMethod;
  const wheel = new TimerWheel({ clock });
  const bounds = { maxCallsInFlight: 100, maxStreamsInFlight: 100 };
  const handler = callControlInterceptor({ clock, wheel, metrics, ...bounds })(method, next);
  function call(options: { isOver?: boolean; deadlineAtMs?: number } = {}): unknown {
    const context = { deadlineAtMs: options.deadlineAtMs ?? 1_000, isOver: () => options.isOver === true };
    return handler('request', context as CallContext, responses);
  }
  return { clock, call, finished, made, started: () => started };
}

test('creates the counters once per method', () => {
  const { call, made } = setUp(() => 'value');
  call();
  call();
  expect(made).toEqual([['/pannier.test.v1.Service/Method', 'unary']]);
});

test('counts a synchronous result as finished before it returns it', () => {
  const answer = { allowed: true };
  const { call, finished, started } = setUp(() => answer);
  expect(call()).toBe(answer);
  expect([started(), finished]).toEqual([1, [[Status.OK, 0]]]);
});

test('counts a call as finished when its promise resolves', async () => {
  const deferred = Promise.withResolvers<unknown>();
  const { clock, call, finished, started } = setUp(() => deferred.promise);
  const answer = call();
  expect([started(), finished]).toEqual([1, []]);
  clock.advance(25);
  deferred.resolve('value');
  await expect(answer).resolves.toBe('value');
  expect(finished).toEqual([[Status.OK, 25]]);
});

const errors: [string, unknown, number][] = [
  ['a StatusError', new StatusError(Status.NOT_FOUND, 'cannot find it'), Status.NOT_FOUND],
  ['a StoreError', new StoreError('unavailable', 'Redis is unreachable'), Status.UNAVAILABLE],
  ['an unexpected error', new TypeError('oh'), Status.INTERNAL],
  ['undefined', undefined, Status.INTERNAL],
];

test.each(errors)(
  'counts a call that throws %s once with its code, and throws the same error',
  (_name, error, code) => {
    const { call, finished, started } = setUp(() => {
      throw error;
    });
    let caught: unknown = 'nothing';
    try {
      call();
    } catch (thrown) {
      caught = thrown;
    }
    expect(caught).toBe(error);
    expect([started(), finished]).toEqual([1, [[code, 0]]]);
  },
);

test.each(errors)(
  'counts a call that rejects with %s once with its code, and rejects with the same error',
  async (_name, error, code) => {
    const { call, finished, started } = setUp(() => Promise.reject(error));
    await expect(call()).rejects.toBe(error);
    expect([started(), finished]).toEqual([1, [[code, 0]]]);
  },
);

test('counts a call that ended before its handler finished with the code that its caller received', async () => {
  let deferred = Promise.withResolvers<unknown>();
  const { clock, call, finished } = setUp(() => deferred.promise);
  const cancelled = call({ isOver: true, deadlineAtMs: 100 });
  deferred.resolve('dropped');
  await cancelled;
  deferred = Promise.withResolvers();
  const late = call({ isOver: true, deadlineAtMs: 100 });
  clock.advance(100);
  deferred.resolve('dropped');
  await late;
  expect(finished.map(([code]) => code)).toEqual([Status.CANCELLED, Status.DEADLINE_EXCEEDED]);
});
