/**
 * What a read that has ended does to near copies: a fresh one, however many are in flight, and one whose mark disagrees with the bus.
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
  test('without a placeholder, because there are as many as there may be, takes the copy away (A11)', () => {
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

  test('and one that was sent after it and ends after it: the server may have run that first, it leaves no copy', () => {
    const t = setUp();
    ready(t);
    const fresh = t.near.begin('n', KEY, true);
    const later = begin(t);
    t.near.fill(fresh, nearValue('new'));
    expect(t.get()?.value.toString()).toBe('new');
    t.near.fill(later, nearValue('old'));
    expect(t.get()?.value.toString()).not.toBe('old');
  });

  test('and one that was sent after it and ended before it: its copy goes', () => {
    const t = setUp();
    ready(t);
    const fresh = t.near.begin('n', KEY, true);
    fill(t, nearValue('old'));
    t.near.fill(fresh, undefined);
    expect(t.get()).toBeUndefined();
  });
});

describe('the mark of a value', () => {
  const mark = (number: number, stamp = String(number).padStart(8)) => ({ incarnation: 'incarnat', number, stamp });

  test('that agrees with the messages: a copy is made', () => {
    const t = setUp();
    ready(t);
    fill(t, nearValue('v1', { mark: mark(1) }));
    expect(t.get()?.value.toString()).toBe('v1');
  });

  test.each([
    ['another stamp of the same number', mark(1, 'another.')],
    ['no stamp', mark(1, '')],
    ['another incarnation', { ...mark(1), incarnation: 'another.' }],
  ])('%s: no copy is made', (_what, wrong) => {
    const t = setUp();
    ready(t);
    fill(t, nearValue('v1', { mark: wrong }));
    expect(t.get()).toBeUndefined();
  });

  test('a number lower than that of a message from before the read was sent: the bucket is invalid', () => {
    const t = setUp();
    ready(t);
    t.say(channelOf(KEY), 'nothing');
    fill(t, nearValue('v1', { mark: mark(2) }));
    fill(t, nearValue('v0', { mark: mark(1) }));
    expect(t.get()).toBeUndefined();
    expect(t.near.size).toBe(0);
  });

  test('of a change whose message comes with another stamp: the copy goes', () => {
    const t = setUp();
    ready(t);
    fill(t, nearValue('v1', { mark: mark(2, 'another.') }));
    expect(t.get()?.value.toString()).toBe('v1');
    t.say(channelOf(KEY), 'nothing');
    expect(t.get()).toBeUndefined();
  });
});
