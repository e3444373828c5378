/**
 * Contract suite that every store of rate limits must pass (src/rate-limit/store.ts).
 */
import type { LimitSpec } from '../../../src/config/policy-file.ts';
import { ALGORITHMS } from '../../../src/rate-limit/algorithms/algorithm.ts';
import { type CompiledLimits, compileLimits } from '../../../src/rate-limit/model.ts';
import type { RateLimitStore, TakeResult } from '../../../src/rate-limit/store.ts';
import { soonMs } from '../redis/client.ts';
import { awayFromWindowEdge, waitFor } from '../wait.ts';

export interface RateLimitStoreFixture {
  readonly store: RateLimitStore;
  /** Returns the keys without an expiry. */
  keysWithoutTtl(): Promise<readonly string[]>;
  close(): Promise<void>;
}

const HOUR_MS = 3_600_000;
const CALLERS = 64;
const CALLS = 192;
const LIMIT = 100;

export function describeRateLimitStore(name: string, open: () => Promise<RateLimitStoreFixture>): void {
  describe(`rate limit store: ${name}`, () => {
    let fixture: RateLimitStoreFixture;
    let subjects = 0;

    beforeAll(async () => {
      fixture = await open();
    }, 60_000);

    afterAll(async () => {
      const forgotten = await fixture?.keysWithoutTtl();
      await fixture?.close();
      expect(forgotten).toEqual([]);
    }, 60_000);

    function newSubject(): string {
      subjects += 1;
      return `subject-${subjects}`;
    }

    async function take(subject: string, limits: CompiledLimits, cost = 1, maxDelayMs?: number): Promise<TakeResult> {
      const key = { scope: 'test', policy: '', subject };
      return await fixture.store.take({ key, limits, cost, maxDelayMs }, soonMs());
    }

    test.each(ALGORITHMS.map((algorithm) => algorithm.name))(
      `%s: admits exactly ${LIMIT} of ${CALLERS} concurrent calls`,
      async (algorithm) => {
        const limits = compileLimits([spec({ algorithm, limit: LIMIT })]);
        const subject = newSubject();
        await awayFromWindowEdge(HOUR_MS);
        let left = CALLS;
        let admitted = 0;
        async function call(): Promise<void> {
          while (left > 0) {
            left -= 1;
            const { allowed } = await take(subject, limits);
            admitted += allowed ? 1 : 0;
          }
        }
        await Promise.all(Array.from({ length: CALLERS }, call));
        expect(admitted).toBe(LIMIT);
      },
    );

    test.each(ALGORITHMS.map((algorithm) => algorithm.name))(
      '%s: peeks and denials consume nothing',
      async (algorithm) => {
        const limits = compileLimits([spec({ algorithm, limit: 10 })]);
        const subject = newSubject();
        await awayFromWindowEdge(HOUR_MS);
        expect((await take(subject, limits, 0)).outcomes[0]).toMatchObject({
          allowed: true,
          remaining: 10,
          resetAfterMs: 0,
        });
        expect((await take(subject, limits, 7)).outcomes[0]).toMatchObject({ allowed: true, remaining: 3 });
        const denied = await take(subject, limits, 4);
        expect(denied.allowed).toBe(false);
        expect(denied.outcomes[0]).toMatchObject({ allowed: false, remaining: 3, never: false });
        expect(denied.outcomes[0]?.retryAfterMs).toBeGreaterThan(0);
        const never = await take(subject, limits, 11);
        expect(never.outcomes[0]).toMatchObject({ allowed: false, never: true, retryAfterMs: 0, remaining: 3 });
        expect((await take(subject, limits, 0)).outcomes[0]?.remaining).toBe(3);
        expect((await take(subject, limits, 3)).outcomes[0]).toMatchObject({ allowed: true, remaining: 0 });
      },
    );

    test.each(ALGORITHMS.map((algorithm) => algorithm.name))(
      '%s: a peek reports whether a cost would be admitted and when, and consumes nothing',
      async (algorithm) => {
        const limits = compileLimits([
          spec({ algorithm, limit: 10 }),
          spec({ name: 'other', algorithm: 'token_bucket', limit: 20 }),
        ]);
        const subject = newSubject();
        await awayFromWindowEdge(HOUR_MS);
        async function peek(cost: number): Promise<TakeResult> {
          const key = { scope: 'test', policy: '', subject };
          return await fixture.store.take({ key, limits, cost, maxDelayMs: undefined, isPeek: true }, soonMs());
        }
        expect(await peek(10)).toMatchObject({
          allowed: true,
          outcomes: [
            { allowed: true, remaining: 10, retryAfterMs: 0, resetAfterMs: 0 },
            { allowed: true, remaining: 20 },
          ],
        });
        await take(subject, limits, 7);
        for (const cost of [0, 1, 3]) {
          expect(await peek(cost)).toMatchObject({ allowed: true, outcomes: [{ remaining: 3 }, { remaining: 13 }] });
        }
        const denied = await peek(4);
        expect(denied.allowed).toBe(false);
        expect(denied.outcomes).toMatchObject([
          { allowed: false, remaining: 3, never: false },
          { allowed: true, remaining: 13 },
        ]);
        expect(denied.outcomes[0]?.retryAfterMs).toBeGreaterThan(0);
        expect((await peek(11)).outcomes[0]).toMatchObject({
          allowed: false,
          never: true,
          retryAfterMs: 0,
          remaining: 3,
        });
        await take(subject, limits, 3);
        for (const cost of [0, 1]) {
          const exhausted = await peek(cost);
          expect(exhausted.outcomes[0]).toMatchObject({ allowed: false, remaining: 0, never: false });
          expect(exhausted.outcomes[0]?.retryAfterMs).toBeGreaterThan(0);
        }
      },
    );

    test.each(ALGORITHMS.map((algorithm) => algorithm.name))(
      '%s: used units become available again',
      async (algorithm) => {
        const limits = compileLimits([spec({ algorithm, limit: 2, windowMs: 150 })]);
        const subject = newSubject();
        expect((await take(subject, limits, 2)).allowed).toBe(true);
        await waitFor('all of it back', async () => (await take(subject, limits, 0)).outcomes[0]?.remaining === 2);
        expect((await take(subject, limits, 2)).allowed).toBe(true);
      },
    );

    test('consumes units from all limits or from none', async () => {
      const limits = compileLimits(
        ALGORITHMS.map(({ name: algorithm }) =>
          spec({ name: algorithm, algorithm, limit: algorithm === 'fixed_window' ? 3 : 50 }),
        ),
      );
      const subject = newSubject();
      await awayFromWindowEdge(HOUR_MS);
      expect((await take(subject, limits, 2)).allowed).toBe(true);
      const denied = await take(subject, limits, 2);
      expect(denied.allowed).toBe(false);
      expect(denied.outcomes.filter((outcome) => !outcome.allowed)).toHaveLength(1);
      expect(denied.outcomes.map((outcome) => outcome.remaining)).toEqual([1, 48, 48, 48, 48]);
      const fresh = compileLimits([spec({ name: 'fresh', limit: 50 }), spec({ name: 'small', limit: 1 })]);
      expect((await take(subject, fresh, 2)).outcomes[0]).toMatchObject({
        allowed: true,
        remaining: 50,
        resetAfterMs: 0,
      });
      const peek = await take(subject, limits, 0);
      expect(peek.outcomes.map((outcome) => outcome.remaining)).toEqual([1, 48, 48, 48, 48]);
    });

    test('keeps a limit by name, algorithm and window, whatever other limits are in the call', async () => {
      const subject = newSubject();
      const first = spec({ name: 'first', limit: 5 });
      const second = spec({ name: 'second', limit: 5 });
      await awayFromWindowEdge(HOUR_MS);
      await take(subject, compileLimits([first, second]), 2);
      await take(subject, compileLimits([first]), 2);
      const peek = await take(subject, compileLimits([second, { ...first, limit: 9, burst: 9 }]), 0);
      expect(peek.outcomes.map((outcome) => outcome.remaining)).toEqual([3, 5]);
      const otherWindow = compileLimits([{ ...first, windowMs: 2 * HOUR_MS }]);
      expect((await take(subject, otherWindow, 0)).outcomes[0]?.remaining).toBe(5);
    });

    test('keeps scopes, policies and subjects apart', async () => {
      const limits = compileLimits([spec({ limit: 1 })]);
      const keys = ['a', 'b'].flatMap((scope) =>
        ['', 'p', 'q'].flatMap((policy) =>
          ['s|x', 's', '}{', 'ü', '\0', 'h:s', 's'.repeat(65), 's'.repeat(66)].map((subject) => ({
            scope,
            policy,
            subject,
          })),
        ),
      );
      await awayFromWindowEdge(HOUR_MS);
      for (const key of keys) {
        expect((await fixture.store.take({ key, limits, cost: 1, maxDelayMs: undefined }, soonMs())).allowed).toBe(
          true,
        );
      }
      for (const key of keys) {
        expect((await fixture.store.take({ key, limits, cost: 1, maxDelayMs: undefined }, soonMs())).allowed).toBe(
          false,
        );
      }
    });

    test.each(ALGORITHMS.map((algorithm) => algorithm.name))(
      '%s: returned units can be consumed again, and no more units return than were used',
      async (algorithm) => {
        const limits = compileLimits([
          spec({ algorithm, limit: 10 }),
          spec({ name: 'other', algorithm: 'token_bucket', limit: 20 }),
        ]);
        const subject = newSubject();
        await awayFromWindowEdge(HOUR_MS);
        const key = { scope: 'test', policy: '', subject };
        async function give(units: number): Promise<number[]> {
          const { outcomes } = await fixture.store.give({ key, limits, units }, soonMs());
          return outcomes.map((outcome) => outcome.remaining);
        }
        expect(await give(3)).toEqual([10, 20]);
        expect((await take(subject, limits, 10)).allowed).toBe(true);
        expect((await take(subject, limits, 1)).allowed).toBe(false);
        expect(await give(4)).toEqual([4, 14]);
        expect((await take(subject, limits, 5)).allowed).toBe(false);
        expect((await take(subject, limits, 4)).allowed).toBe(true);
        expect(await give(1_000_000)).toEqual([10, 20]);
        expect((await take(subject, limits, 10)).allowed).toBe(true);
        expect((await take(subject, limits, 1)).allowed).toBe(false);
      },
    );

    test('a reset deletes the given limits and returns whether there was any state', async () => {
      const key = { scope: 'test', policy: '', subject: newSubject() };
      const first = compileLimits([spec({ name: 'first', algorithm: 'sliding_window_log', limit: 5 })]);
      const second = compileLimits([spec({ name: 'second', limit: 5 })]);
      await awayFromWindowEdge(HOUR_MS);
      expect(await fixture.store.reset(key, first, soonMs())).toBe(false);
      await take(key.subject, first, 2);
      await take(key.subject, second, 2);
      expect(await fixture.store.reset(key, first, soonMs())).toBe(true);
      expect(await fixture.store.reset(key, first, soonMs())).toBe(false);
      expect((await take(key.subject, first, 0)).outcomes[0]?.remaining).toBe(5);
      expect((await take(key.subject, second, 0)).outcomes[0]?.remaining).toBe(3);
      expect(await fixture.store.reset(key, undefined, soonMs())).toBe(true);
      expect((await take(key.subject, second, 0)).outcomes[0]?.remaining).toBe(5);
    });

    test('a leaky bucket delays calls and denies a delay above the maximum', async () => {
      const limits = compileLimits([spec({ algorithm: 'leaky_bucket', limit: 10, windowMs: HOUR_MS })]);
      const subject = newSubject();
      expect((await take(subject, limits)).outcomes[0]?.delayMs).toBe(0);
      expect((await take(subject, limits)).outcomes[0]?.delayMs).toBeGreaterThan(300_000);
      const key = { scope: 'test', policy: '', subject };
      const peek = await fixture.store.take({ key, limits, cost: 1, maxDelayMs: 1_000, isPeek: true }, soonMs());
      expect(peek.outcomes[0]).toMatchObject({ allowed: false, remaining: 8, delayMs: 0 });
      expect(peek.outcomes[0]?.retryAfterMs).toBeGreaterThan(600_000);
      const denied = (await take(subject, limits, 1, 1_000)).outcomes[0];
      expect(denied).toMatchObject({ allowed: false, delayMs: 0, never: false });
      expect(denied?.retryAfterMs).toBeGreaterThan(600_000);
    });
  });
}

function spec(values: Partial<LimitSpec> & { limit: number }): LimitSpec {
  return { name: 'limit', algorithm: 'fixed_window', windowMs: HOUR_MS, burst: values.limit, ...values };
}
