/**
 * Tests the parsing of `grpc-timeout`, and how long before the deadline of a call the sidecar must respond and the
 * store must finish.
 */
import { FakeClock } from '../../test/support/lib/fake-clock.ts';
import { answerByMs, parseGrpcTimeout } from './deadline.ts';
import type { CallContext } from './method.ts';
import { Status } from './status.ts';
import { storeDeadlineMs } from './store-deadline.ts';

test.each([
  ['1S', 1_000],
  ['250m', 250],
  ['2M', 120_000],
  ['3H', 10_800_000],
  ['1500u', 1.5],
  ['1000000n', 1],
  ['0S', 0],
  ['99999999H', 99_999_999 * 3_600_000],
])('parses grpc-timeout %s as %d ms', (header, expected) => {
  expect(parseGrpcTimeout(header)).toBeCloseTo(expected, 9);
});

test.each(['', 'S', '5', '5s', '-1S', '+1S', '1.5S', '1 S', ' 1S', '1S ', '123456789S', '1SS', '١S', 'NaNS'])(
  'rejects the malformed grpc-timeout %p',
  (header) => {
    expect(parseGrpcTimeout(header)).toBeUndefined();
  },
);

test('the response is due 20 ms before the deadline, or a fifth of the remaining time if that is less', () => {
  expect(answerByMs(10_000, 0)).toBe(9_980);
  expect(answerByMs(1_100, 1_000)).toBe(1_080);
  expect(answerByMs(1_050, 1_000)).toBe(1_040);
  expect(answerByMs(1_001, 1_000)).toBeCloseTo(1_000.8, 9);
});

test('the deadline of the store is before that of the response, however little time remains', () => {
  const clock = new FakeClock();
  for (const leftMs of [0.5, 1, 5, 20, 50, 100, 300, 5_000, 1e9]) {
    const context = { deadlineAtMs: clock.monotonicMs() + leftMs } as CallContext;
    const storeMs = storeDeadlineMs(context, clock, 'read');
    expect(storeMs).toBeGreaterThan(clock.monotonicMs());
    expect(storeMs).toBeLessThan(answerByMs(context.deadlineAtMs, clock.monotonicMs()));
  }
});

test('throws DEADLINE_EXCEEDED instead of a store deadline if the deadline has passed', () => {
  const clock = new FakeClock();
  clock.advance(100);
  for (const deadlineAtMs of [100, 99, -5]) {
    const call = (): number => storeDeadlineMs({ deadlineAtMs } as CallContext, clock, 'read the session');
    expect(call).toThrow('cannot read the session: the deadline passed before the call was executed');
    expect(call).toThrow(expect.objectContaining({ code: Status.DEADLINE_EXCEEDED }));
  }
});
