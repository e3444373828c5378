/**
 * Tests that the sidecar becomes ready once policies are loaded and the store has replied or 5 s have passed, and stays
 * ready until it drains.
 */
import { FakeClock } from '../../test/support/lib/fake-clock.ts';
import { Readiness } from './readiness.ts';

test('becomes ready when the store replies, and stays ready without it until it drains', () => {
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

test('becomes ready after 5 s without the store, and not before', () => {
  const clock = new FakeClock();
  const readiness = new Readiness({ clock, hasAnswered: () => false, isRefused: () => false });
  readiness.serving();
  clock.advance(4_999);
  expect(readiness.isReady()).toBe(false);
  clock.advance(1);
  expect(readiness.isReady()).toBe(true);
});

test('does not become ready while the stored format is refused, and stays ready if it is refused later', () => {
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
