/**
 * Tests the limit on calls in flight: a call above the limit is rejected with a retry pushback, and a call no longer
 * counts against the limit once it has ended.
 */
import { FakeClock } from '../../../test/support/lib/fake-clock.ts';
import { TimerWheel } from '../../lib/timer-wheel.ts';
import type { AnyMethod, CallContext, ResponseStream } from '../method.ts';
import type { Handler } from '../service-table.ts';
import { Status } from '../status.ts';
import { callControlInterceptor } from './call-control.ts';

const context = { deadlineAtMs: 1_000_000, isOver: () => false } as CallContext;
const responses = {} as ResponseStream<unknown>;
const unary = { kind: 'unary' } as AnyMethod;
const stream = { kind: 'server_stream' } as AnyMethod;

/** Creates calls that stay open until the test ends them. */
function setUp(options: { maxCallsInFlight: number; maxStreamsInFlight: number }) {
  const clock = new FakeClock();
  const metrics = { method: () => ({ started: () => {}, finished: () => {} }) };
  const interceptor = callControlInterceptor({ clock, wheel: new TimerWheel({ clock }), metrics, ...options });
  const open: PromiseWithResolvers<unknown>[] = [];
  const waiting: Handler = () => {
    const deferred = Promise.withResolvers<unknown>();
    open.push(deferred);
    return deferred.promise;
  };
  function handlerOf(method: AnyMethod, next: Handler = waiting, request: unknown = 'request'): () => unknown {
    const handler = interceptor(method, next);
    return () => handler(request, context, responses);
  }
  return { open, handlerOf };
}

const overloaded = expect.objectContaining({ code: Status.UNAVAILABLE, retryPushbackMs: 100 });

test('limits the calls of all methods together, and reports their number', () => {
  const { handlerOf } = setUp({ maxCallsInFlight: 3, maxStreamsInFlight: 1 });
  const [first, second] = [handlerOf(unary), handlerOf(unary)];
  first();
  second();
  first();
  expect(second).toThrow(overloaded);
  expect(first).toThrow('cannot serve the call: 3 calls are in flight, which is the maximum; retry later');
});

test('a rejected call does not reach its handler and does not count', async () => {
  const { open, handlerOf } = setUp({ maxCallsInFlight: 1, maxStreamsInFlight: 1 });
  const call = handlerOf(unary);
  const answer = call();
  for (let times = 0; times < 5; times += 1) {
    expect(call).toThrow(overloaded);
  }
  expect(open).toHaveLength(1);
  open[0]?.resolve('done');
  await answer;
  call();
  expect(call).toThrow(overloaded);
});

test('limits streams and unary calls separately', () => {
  const { handlerOf } = setUp({ maxCallsInFlight: 1, maxStreamsInFlight: 1 });
  const [call, watch] = [handlerOf(unary), handlerOf(stream)];
  watch();
  expect(watch).toThrow('1 streams are in flight');
  call();
  expect(call).toThrow('1 calls are in flight');
});

test('subtracts a call once when it resolves, rejects, returns or throws', async () => {
  const { open, handlerOf } = setUp({ maxCallsInFlight: 2, maxStreamsInFlight: 1 });
  const waiting = handlerOf(unary);
  const failing = handlerOf(unary, () => {
    throw new Error('no');
  });
  const immediate = handlerOf(unary, () => 'value');
  for (let round = 0; round < 10; round += 1) {
    expect(immediate()).toBe('value');
    expect(failing).toThrow('no');
    const [answered, rejected] = [waiting(), waiting()];
    expect(immediate).toThrow(overloaded);
    open.splice(0, 1)[0]?.resolve('answer');
    open.splice(0, 1)[0]?.reject(new Error('late no'));
    await expect(answered).resolves.toBe('answer');
    await expect(rejected).rejects.toThrow('late no');
  }
  waiting();
  waiting();
  expect(waiting).toThrow(overloaded);
});

describe('calls of many keys', () => {
  const getMany = { kind: 'unary', path: '/pannier.v1.CacheService/CacheGetMany' } as AnyMethod;
  const checkMany = { kind: 'unary', path: '/pannier.v1.RateLimitService/CheckRateLimits' } as AnyMethod;
  const invalidate = { kind: 'unary', path: '/pannier.v1.CacheService/CacheInvalidate' } as AnyMethod;
  const tooHeavy = expect.objectContaining({ code: Status.RESOURCE_EXHAUSTED, retryPushbackMs: 100 });

  function keys(count: number) {
    return Array.from({ length: count }, () => Buffer.of(0));
  }

  test.each<[string, AnyMethod, unknown, number]>([
    ['a quarter per key', getMany, { keys: keys(256) }, 64],
    ['a quarter per key, rounded up', getMany, { keys: keys(5) }, 2],
    ['one per check', checkMany, { checks: Array.from({ length: 100 }, () => ({})) }, 100],
    ['a quarter per key and tag', invalidate, { keys: keys(40), tags: ['a', 'b', 'c', 'd'], all: false }, 11],
    ['16 for a flush', invalidate, { keys: [], tags: [], all: true }, 16],
  ])('count %s', (_, method, request, weight) => {
    const { handlerOf } = setUp({ maxCallsInFlight: 4 * weight, maxStreamsInFlight: 1 });
    const call = handlerOf(method, undefined, request);
    call();
    call();
    call();
    expect(call).toThrow(tooHeavy);
    expect(call).toThrow(
      `it counts as ${weight} calls, and the large calls in flight count as ${3 * weight} of at most`,
    );
  });

  test('are rejected above their quota while small calls are served', () => {
    const { handlerOf } = setUp({ maxCallsInFlight: 100, maxStreamsInFlight: 1 });
    const large = handlerOf(getMany, undefined, { keys: keys(256) });
    large();
    for (let count = 0; count < 36; count += 1) {
      expect(large).toThrow(tooHeavy);
      handlerOf(count % 2 === 0 ? unary : getMany, undefined, { keys: keys(4) })();
    }
    expect(handlerOf(unary)).toThrow(overloaded);
  });

  test('are subtracted with their whole weight when they end', async () => {
    const { open, handlerOf } = setUp({ maxCallsInFlight: 100, maxStreamsInFlight: 1 });
    const large = handlerOf(getMany, undefined, { keys: keys(256) });
    for (let round = 0; round < 5; round += 1) {
      const answer = large();
      expect(large).toThrow(tooHeavy);
      open.splice(0, 1)[0]?.resolve('answer');
      await answer;
    }
  });

  test('are served alone even above their quota, and count as one call without keys', () => {
    const { handlerOf } = setUp({ maxCallsInFlight: 64, maxStreamsInFlight: 1 });
    handlerOf(getMany, undefined, { keys: keys(256) })();
    expect(handlerOf(getMany, undefined, { keys: [] })).toThrow(overloaded);
  });

  test('with more keys than a valid request may have are left to their service to reject', () => {
    const { open, handlerOf } = setUp({ maxCallsInFlight: 10_000, maxStreamsInFlight: 1 });
    for (const [method, request] of [
      [getMany, { keys: keys(100_000) }],
      [checkMany, { checks: Array.from({ length: 100_000 }, () => ({})) }],
      [invalidate, { keys: keys(100_000), tags: [], all: true }],
    ] as const) {
      handlerOf(method, undefined, request)();
    }
    expect(open).toHaveLength(3);
  });
});
