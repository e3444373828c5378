/**
 * Tests that no callback of a TimerWheel runs early, is lost, or runs after cancel.
 */
import fc from 'fast-check';
import { FakeClock } from '../../test/support/lib/fake-clock.ts';
import { TimerWheel } from './timer-wheel.ts';

test('runs a callback once, at its time and not before', () => {
  const clock = new FakeClock();
  const wheel = new TimerWheel({ clock, tickMs: 5 });
  let runs = 0;
  wheel.schedule(12, () => {
    runs += 1;
  });
  clock.advance(11);
  wheel.advance();
  expect(runs).toBe(0);
  clock.advance(9);
  wheel.advance();
  wheel.advance();
  expect(runs).toBe(1);
  expect(wheel.size).toBe(0);
  wheel.close();
});

test('never runs a cancelled callback', () => {
  const clock = new FakeClock();
  const wheel = new TimerWheel({ clock, tickMs: 5 });
  let runs = 0;
  const entry = wheel.schedule(1, () => {
    runs += 1;
  });
  wheel.cancel(entry);
  wheel.cancel(entry);
  clock.advance(100);
  wheel.advance();
  expect(runs).toBe(0);
  expect(wheel.size).toBe(0);
  wheel.close();
});

test('lets a callback schedule and cancel entries of its own slot', () => {
  const clock = new FakeClock();
  const wheel = new TimerWheel({ clock, tickMs: 5 });
  const ran: string[] = [];
  const second = wheel.schedule(1, () => ran.push('second'));
  wheel.schedule(1, () => {
    ran.push('first');
    wheel.cancel(second);
    wheel.schedule(1, () => ran.push('third'));
  });
  clock.advance(10);
  wheel.advance();
  clock.advance(10);
  wheel.advance();
  expect(ran).toEqual(['first', 'third']);
  wheel.close();
});

test('runs due callbacks from its real interval', async () => {
  const { systemClock } = await import('./clock.ts');
  const wheel = new TimerWheel({ clock: systemClock });
  await new Promise<void>((resolve) => {
    // The wheel does not keep the process alive, so the test has its own timeout.
    const alive = setInterval(() => undefined, 1_000);
    wheel.schedule(systemClock.monotonicMs() + 10, () => {
      clearInterval(alive);
      resolve();
    });
  });
  wheel.close();
});

test('runs every entry of random histories within two ticks of its time, and none early', () => {
  const step = fc.record({ afterMs: fc.nat(6_000), advanceMs: fc.nat(3_000), isCancelled: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const clock = new FakeClock();
      const wheel = new TimerWheel({ clock, tickMs: 5 });
      let pending = 0;
      for (const { afterMs, advanceMs, isCancelled } of steps) {
        const dueMs = clock.monotonicMs() + afterMs;
        const entry = wheel.schedule(dueMs, () => {
          expect(isCancelled).toBe(false);
          expect(clock.monotonicMs()).toBeGreaterThanOrEqual(dueMs);
          expect(clock.monotonicMs() - dueMs).toBeLessThanOrEqual(10);
          pending -= 1;
        });
        pending += 1;
        if (isCancelled) {
          wheel.cancel(entry);
          pending -= 1;
        }
        for (let passedMs = 0; passedMs < advanceMs; passedMs += 5) {
          clock.advance(5);
          wheel.advance();
        }
      }
      expect(wheel.size).toBe(pending);
      wheel.close();
    }),
    { numRuns: 50 },
  );
});
