/**
 * The bound on calls in flight: what is over it is refused with a hint, and every end of a call makes room again.
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

/** Calls that are open until the test ends them. */
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
  function handleOf(method: AnyMethod, next: Handler = waiting, request: unknown = 'request'): () => unknown {
    const handler = interceptor(method, next);
    return () => handler(request, context, responses);
  }
  return { open, handleOf };
}

const refused = expect.objectContaining({ code: Status.UNAVAILABLE, retryPushbackMs: 100 });

test('the bound holds over all methods together, and says what it found', () => {
  const { handleOf } = setUp({ maxCallsInFlight: 3, maxStreamsInFlight: 1 });
  const [first, second] = [handleOf(unary), handleOf(unary)];
  first();
  second();
  first();
  expect(second).toThrow(refused);
  expect(first).toThrow('cannot serve the call: 3 calls are in flight, as many as are admitted; repeat it later');
});

test('a refused call does not reach its handler, and takes no room', async () => {
  const { open, handleOf } = setUp({ maxCallsInFlight: 1, maxStreamsInFlight: 1 });
  const call = handleOf(unary);
  const answer = call();
  for (let times = 0; times < 5; times += 1) {
    expect(call).toThrow(refused);
  }
  expect(open).toHaveLength(1);
  open[0]?.resolve('done');
  await answer;
  call();
  expect(call).toThrow(refused);
});

test('streams and calls do not take each other’s room', () => {
  const { handleOf } = setUp({ maxCallsInFlight: 1, maxStreamsInFlight: 1 });
  const [call, watch] = [handleOf(unary), handleOf(stream)];
  watch();
  expect(watch).toThrow('1 streams are in flight');
  call();
  expect(call).toThrow('1 calls are in flight');
});

test('an answer, a rejection, a value and a throw all make room again, once', async () => {
  const { open, handleOf } = setUp({ maxCallsInFlight: 2, maxStreamsInFlight: 1 });
  const waiting = handleOf(unary);
  const failing = handleOf(unary, () => {
    throw new Error('no');
  });
  const immediate = handleOf(unary, () => 'value');
  for (let round = 0; round < 10; round += 1) {
    expect(immediate()).toBe('value');
    expect(failing).toThrow('no');
    const [answered, rejected] = [waiting(), waiting()];
    expect(immediate).toThrow(refused);
    open.splice(0, 1)[0]?.resolve('answer');
    open.splice(0, 1)[0]?.reject(new Error('late no'));
    await expect(answered).resolves.toBe('answer');
    await expect(rejected).rejects.toThrow('late no');
  }
  waiting();
  waiting();
  expect(waiting).toThrow(refused);
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
  ])('count as %s', (_, method, request, weight) => {
    const { handleOf } = setUp({ maxCallsInFlight: 4 * weight, maxStreamsInFlight: 1 });
    const call = handleOf(method, undefined, request);
    call();
    call();
    call();
    expect(call).toThrow(tooHeavy);
    expect(call).toThrow(`it counts as ${weight} calls, and large calls that count as ${3 * weight} of at most`);
  });

  test('are refused whole while small calls, and those of few keys, are served', () => {
    const { handleOf } = setUp({ maxCallsInFlight: 100, maxStreamsInFlight: 1 });
    const large = handleOf(getMany, undefined, { keys: keys(256) });
    large();
    for (let count = 0; count < 36; count += 1) {
      expect(large).toThrow(tooHeavy);
      handleOf(count % 2 === 0 ? unary : getMany, undefined, { keys: keys(4) })();
    }
    expect(handleOf(unary)).toThrow(refused);
  });

  test('make room when they end, for their whole weight', async () => {
    const { open, handleOf } = setUp({ maxCallsInFlight: 100, maxStreamsInFlight: 1 });
    const large = handleOf(getMany, undefined, { keys: keys(256) });
    for (let round = 0; round < 5; round += 1) {
      const answer = large();
      expect(large).toThrow(tooHeavy);
      open.splice(0, 1)[0]?.resolve('answer');
      await answer;
    }
  });

  test('are served alone even above their share, and one without keys counts as a call', () => {
    const { handleOf } = setUp({ maxCallsInFlight: 64, maxStreamsInFlight: 1 });
    handleOf(getMany, undefined, { keys: keys(256) })();
    expect(handleOf(getMany, undefined, { keys: [] })).toThrow(refused);
  });

  test('that hold more than any call may are refused by their service, without a retry hint', () => {
    const { open, handleOf } = setUp({ maxCallsInFlight: 10_000, maxStreamsInFlight: 1 });
    for (const [method, request] of [
      [getMany, { keys: keys(100_000) }],
      [checkMany, { checks: Array.from({ length: 100_000 }, () => ({})) }],
      [invalidate, { keys: keys(100_000), tags: [], all: true }],
    ] as const) {
      handleOf(method, undefined, request)();
    }
    expect(open).toHaveLength(3);
  });
});
