/**
 * Readiness: once policies are loaded and the store has answered or 5 s have passed; never red again but by draining.
 */
import { FakeClock } from '../../test/support/lib/fake-clock.ts';
import { Readiness } from './readiness.ts';

test('waits for the store at most 5 s, and stays ready without it until it drains', () => {
  const clock = new FakeClock();
  let answered = false;
  const readiness = new Readiness({ clock, hasAnswered: () => answered, isRefused: () => false });
  answered = true;
  expect(readiness.isReady()).toBe(false);
  readiness.serving();
  expect(readiness.isReady()).toBe(true);
  answered = false;
  expect(readiness.isReady()).toBe(true);
  readiness.draining();
  expect(readiness.isReady()).toBe(false);
});

test('is ready after 5 s without the store, not before', () => {
  const clock = new FakeClock();
  const readiness = new Readiness({ clock, hasAnswered: () => false, isRefused: () => false });
  readiness.serving();
  clock.advance(4_999);
  expect(readiness.isReady()).toBe(false);
  clock.advance(1);
  expect(readiness.isReady()).toBe(true);
});

test('does not become ready while the format of the stored data is refused, and stays ready if it is refused later', () => {
  const clock = new FakeClock();
  let refused = true;
  const readiness = new Readiness({ clock, hasAnswered: () => true, isRefused: () => refused });
  readiness.serving();
  clock.advance(60_000);
  expect(readiness.isReady()).toBe(false);
  refused = false;
  expect(readiness.isReady()).toBe(true);
  refused = true;
  expect(readiness.isReady()).toBe(true);
});
