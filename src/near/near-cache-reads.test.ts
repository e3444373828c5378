/**
 * Tests how a finished read changes the near cache: fresh reads, reads in flight, and reads whose mark contradicts the
 * bus.
 */
import {
  begin,
  channelOf,
  fill,
  KEY,
  nearValue,
  ready,
  setUpNear as setUp,
} from '../../test/support/near/near-cache-harness.ts';

describe('a fresh read', () => {
  test('drops the near-cache entry even if it has no placeholder because the maximum is reached', () => {
    const t = setUp({ maxPlaceholders: 3 });
    ready(t);
    fill(t, nearValue('old'));
    const other = Buffer.from('other');
    ready(t, other);
    for (let index = 0; index < 3; index += 1) {
      t.near.begin('n', other);
    }
    const fresh = t.near.begin('n', KEY, true);
    expect(t.near.placeholderCount).toBe(3);
    t.near.fill(fresh, nearValue('new'));
    expect(t.get()).toBeUndefined();
  });

  test('prevents caching of a read that was sent later and ends later, because the server may have run that one first', () => {
    const t = setUp();
    ready(t);
    const fresh = t.near.begin('n', KEY, true);
    const later = begin(t);
    t.near.fill(fresh, nearValue('new'));
    expect(t.get()?.value.toString()).toBe('new');
    t.near.fill(later, nearValue('old'));
    expect(t.get()?.value.toString()).not.toBe('old');
  });

  test('drops the entry of a read that was sent later and ended earlier', () => {
    const t = setUp();
    ready(t);
    const fresh = t.near.begin('n', KEY, true);
    fill(t, nearValue('old'));
    t.near.fill(fresh, undefined);
    expect(t.get()).toBeUndefined();
  });
});

describe('a value whose mark', () => {
  const mark = (number: number, stamp = String(number).padStart(8)) => ({ incarnation: 'incarnat', number, stamp });

  test('agrees with the messages is cached', () => {
    const t = setUp();
    ready(t);
    fill(t, nearValue('v1', { mark: mark(1) }));
    expect(t.get()?.value.toString()).toBe('v1');
  });

  test.each([
    ['another stamp of the same number', mark(1, 'another.')],
    ['no stamp', mark(1, '')],
    ['another incarnation', { ...mark(1), incarnation: 'another.' }],
  ])('has %s is not cached', (_what, wrong) => {
    const t = setUp();
    ready(t);
    fill(t, nearValue('v1', { mark: wrong }));
    expect(t.get()).toBeUndefined();
  });

  test('is behind a message from before the read was sent invalidates the bucket', () => {
    const t = setUp();
    ready(t);
    t.say(channelOf(KEY), 'nothing');
    fill(t, nearValue('v1', { mark: mark(2) }));
    fill(t, nearValue('v0', { mark: mark(1) }));
    expect(t.get()).toBeUndefined();
    expect(t.near.size).toBe(0);
  });

  test('contradicts the stamp of a later message is dropped', () => {
    const t = setUp();
    ready(t);
    fill(t, nearValue('v1', { mark: mark(2, 'another.') }));
    expect(t.get()?.value.toString()).toBe('v1');
    t.say(channelOf(KEY), 'nothing');
    expect(t.get()).toBeUndefined();
  });
});
