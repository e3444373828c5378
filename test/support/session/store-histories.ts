/**
 * Tests every session store with random histories. The suite compares sequential steps with a simple model, and checks
 * the results of concurrent steps against conditions that must be true for any order of the steps. The file
 * store-contract.ts tests single cases.
 */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import type { AtUserLimit, UserLimit } from '../../../src/config/policy-file.ts';
import { issueSessionId, type SessionCredential } from '../../../src/session/model.ts';
import type { SessionStore } from '../../../src/session/store.ts';
import { type ModelSession, SessionModel } from './model.ts';
import { NO_CHANGE } from './steps.ts';
import type { SessionStoreFixture } from './stores.ts';

const FAR_MS = 20_000;
const LIVES = { idleTtlMs: 3_600_000, absoluteTtlMs: 7_200_000 };
const NO_LIVES = { ifVersion: undefined, idleTtlMs: undefined, absoluteTtlMs: undefined };

const userArbitrary = fc.constantFrom('', 'a', 'b');
const limitArbitrary = fc.record({
  maxSessions: fc.integer({ min: 1, max: 3 }),
  atLimit: fc.constantFrom<AtUserLimit>('evict', 'refuse'),
});
const stepArbitrary = fc.oneof(
  fc.record({ kind: fc.constant('create' as const), user: userArbitrary, limit: fc.option(limitArbitrary) }),
  fc.record({ kind: fc.constant('update' as const), at: fc.nat(), id: fc.nat(), value: fc.nat(9) }),
  fc.record({ kind: fc.constant('read' as const), at: fc.nat(), id: fc.nat() }),
  fc.record({
    kind: fc.constant('rotate' as const),
    at: fc.nat(),
    id: fc.nat(),
    user: fc.option(userArbitrary),
    limit: fc.option(limitArbitrary),
  }),
  fc.record({ kind: fc.constant('delete' as const), at: fc.nat(), id: fc.nat(), byHandle: fc.boolean() }),
  fc.record({ kind: fc.constant('end' as const), user: fc.constantFrom('a', 'b'), except: fc.option(fc.nat()) }),
  fc.record({ kind: fc.constant('list' as const), user: fc.constantFrom('a', 'b') }),
);

const raceArbitrary = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('update' as const), value: fc.nat(9) }),
    fc.record({ kind: fc.constant('touch' as const) }),
    fc.record({ kind: fc.constant('rotate' as const), user: fc.option(userArbitrary) }),
    fc.record({ kind: fc.constant('delete' as const), byHandle: fc.boolean() }),
    fc.record({ kind: fc.constant('end' as const), except: fc.boolean() }),
    fc.record({ kind: fc.constant('list' as const) }),
  ),
  { minLength: 2, maxLength: 6 },
);

type Step = typeof stepArbitrary extends fc.Arbitrary<infer Value> ? Value : never;
type RaceStep = (typeof raceArbitrary extends fc.Arbitrary<infer Value> ? Value : never)[number];

interface RaceOutcome {
  readonly step: RaceStep;
  readonly outcome: string;
  readonly version: number;
  readonly credential: SessionCredential | undefined;
}

export function sessionStoreHistories(
  name: string,
  setUp: () => Promise<SessionStoreFixture>,
  runs: { readonly sequential: number; readonly racing: number },
): void {
  describe(`session store histories: ${name}`, () => {
    let fixture: SessionStoreFixture;
    let store: SessionStore;

    beforeAll(async () => {
      fixture = await setUp();
      store = fixture.store;
    }, 60_000);

    afterAll(async () => {
      await fixture?.close();
    });

    test(`${runs.sequential} histories agree with the model`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(stepArbitrary, { maxLength: 25 }), async (steps) => {
          const suffix = randomBytes(6).toString('hex');
          const model = new SessionModel();
          for (const step of steps) {
            await play(fixture, model, step, suffix);
          }
          for (const session of model.sessions) {
            expect(await fixture.holds(session.handle)).toBe(session.isLive);
          }
          await tidy(model.sessions.map(({ handle }) => handle));
        }),
        { numRuns: runs.sequential },
      );
      expect(await fixture.keysWithoutTtl()).toEqual([]);
    }, 60_000);

    test(`${runs.racing} races leave no ended session behind`, async () => {
      await fc.assert(
        fc.asyncProperty(raceArbitrary, userArbitrary, async (steps, firstUser) => {
          const suffix = randomBytes(6).toString('hex');
          const userId = firstUser === '' ? '' : firstUser + suffix;
          const issued = issueSessionId(randomBytes);
          await store.create(
            { credential: issued.credential, userId, data: new Map(), labels: new Map(), ...LIVES },
            deadline(),
          );
          const outcomes = await Promise.all(steps.map((step) => race(store, step, { issued, suffix, userId })));
          await checkRace(outcomes, { credential: issued.credential, userId });
          await tidy([issued.credential.handle]);
        }),
        { numRuns: runs.racing },
      );
      expect(await fixture.keysWithoutTtl()).toEqual([]);
    }, 60_000);

    async function checkRace(
      outcomes: readonly RaceOutcome[],
      before: { credential: SessionCredential; userId: string },
    ): Promise<void> {
      const { handle } = before.credential;
      const rotations = outcomes.filter(({ credential }) => credential !== undefined);
      const readable = [];
      for (const credential of [before.credential, ...rotations.map((rotation) => rotation.credential)]) {
        const found = credential && (await store.read(credential, { touch: false }, deadline()));
        if (found) {
          readable.push(found);
        }
      }
      expect(rotations.length).toBeLessThanOrEqual(1);
      expect(readable.length).toBeLessThanOrEqual(1);
      const versions = outcomes.filter(({ outcome }) => outcome === 'updated').map(({ version }) => version);
      expect(new Set(versions).size).toBe(versions.length);

      const isDeleted = outcomes.some(
        ({ step, outcome }) => step.kind === 'delete' && (step.byHandle || outcome === 'true'),
      );
      if (isDeleted) {
        expect(readable).toEqual([]);
        expect(await fixture.holds(handle)).toBe(false);
      }
      const changedUser = rotations.some(({ step }) => step.kind === 'rotate' && step.user !== null);
      const isEnded = outcomes.some(
        ({ step, outcome }) => step.kind === 'end' && !step.except && outcome.startsWith('ended'),
      );
      if (isEnded && before.userId !== '' && !changedUser) {
        expect(readable).toEqual([]);
      }
      const mayEnd = outcomes.some(({ step }) => step.kind === 'delete' || (step.kind === 'end' && !step.except));
      if (!mayEnd) {
        expect(readable).toHaveLength(1);
        expect(readable[0]?.version).toBe(1 + versions.length);
      }
    }

    async function tidy(handles: readonly string[]): Promise<void> {
      for (const handle of handles) {
        await store.delete({ handle, verifier: undefined }, deadline());
        expect(await fixture.holds(handle)).toBe(false);
      }
    }
  });
}

function deadline(): number {
  return performance.now() + FAR_MS;
}

function named(user: string, suffix: string): string {
  return user === '' ? '' : user + suffix;
}

function setting(value: number) {
  return { set: new Map([[`f${value % 3}`, Buffer.from(String(value))]]), remove: new Set<string>() };
}

/** Runs one step on the store and on the model, and requires the same result. */
async function play(fixture: SessionStoreFixture, model: SessionModel, step: Step, suffix: string): Promise<void> {
  const { store } = fixture;
  if (step.kind === 'create') {
    const issued = issueSessionId(randomBytes);
    const userId = named(step.user, suffix);
    const { credential } = issued;
    const made = { credential, userId, data: new Map(), labels: new Map(), ...LIVES, ...limitOf(step.limit) };
    const outcome = await store.create(made, deadline());
    const admission = model.admit(userId, step.limit ?? undefined);
    expect(outcome).toMatchObject(
      admission === undefined ? { outcome: 'user_full' } : { outcome: 'created', ...admission },
    );
    if (admission !== undefined) {
      await endEvicted(fixture, model, { userId, evicted: admission.evicted, except: undefined });
      model.create(issued.selector, credential, userId);
    }
    return;
  }
  if (step.kind === 'list') {
    const userId = named(step.user, suffix);
    const listed = await store.list(userId, deadline());
    expect(new Set(listed.map(({ handle }) => handle))).toEqual(new Set(model.list(userId)));
    return;
  }
  if (step.kind === 'end') {
    const userId = named(step.user, suffix);
    const kept = step.except === null ? undefined : model.pick(step.except);
    const except = kept?.credentials.at(-1);
    const outcome = await store.endUserSessions(userId, except, deadline());
    expect(outcome).toEqual(model.endUserSessions(userId, except === undefined ? undefined : kept));
    return;
  }
  const session = model.pick(step.at);
  if (session === undefined) {
    return;
  }
  const credential = session.credentials[step.id % session.credentials.length] as SessionCredential;
  const isCurrent = session.isLive && credential === session.credentials.at(-1);
  switch (step.kind) {
    case 'read': {
      const found = await store.read(credential, { touch: true }, deadline());
      const { userId, version, data } = session;
      expect(found === undefined).toBe(!isCurrent);
      if (found !== undefined) {
        expect({ userId: found.userId, version: found.version, data: found.data }).toEqual({ userId, version, data });
      }
      return;
    }
    case 'update': {
      const outcome = await store.update(credential, { change: setting(step.value), ...NO_LIVES }, deadline());
      expect(outcome.outcome).toBe(isCurrent ? 'updated' : 'not_found');
      if (isCurrent) {
        model.change(session, setting(step.value).set);
      }
      return;
    }
    case 'rotate': {
      const issued = issueSessionId(randomBytes, session.selector);
      const userId = step.user === null ? undefined : named(step.user, suffix);
      const { verifier } = issued.credential;
      const rotation = { verifier, userId, change: NO_CHANGE, graceMs: 0, ...limitOf(step.limit) };
      const outcome = await store.rotate(credential, rotation, deadline());
      if (!isCurrent) {
        expect(outcome.outcome).toBe('not_found');
        return;
      }
      const isLogin = userId !== undefined && userId !== session.userId;
      const admission = isLogin ? model.admit(userId, step.limit ?? undefined) : { evicted: 0 };
      expect(outcome).toMatchObject(
        admission === undefined ? { outcome: 'user_full' } : { outcome: 'rotated', ...admission },
      );
      if (admission !== undefined) {
        await endEvicted(fixture, model, { userId: userId ?? '', evicted: admission.evicted, except: session });
        model.rotate(session, issued.credential, userId);
      }
      return;
    }
    case 'delete': {
      const verifier = step.byHandle ? undefined : credential.verifier;
      const existed = await store.delete({ handle: session.handle, verifier }, deadline());
      const isEnded = step.byHandle ? session.isLive : isCurrent;
      expect(existed).toBe(isEnded);
      session.isLive &&= !isEnded;
      return;
    }
  }
}

function limitOf(userLimit: UserLimit | null): { userLimit?: UserLimit } {
  return userLimit === null ? {} : { userLimit };
}

/**
 * Removes from the model the sessions that a login has ended. The order of logins within one millisecond is undefined,
 * so the function reads from the store which sessions remain.
 */
async function endEvicted(
  fixture: SessionStoreFixture,
  model: SessionModel,
  login: { readonly userId: string; readonly evicted: number; readonly except: ModelSession | undefined },
): Promise<void> {
  let ended = 0;
  for (const session of model.liveOf(login.userId)) {
    if (session !== login.except && !(await fixture.holds(session.handle))) {
      session.isLive = false;
      ended += 1;
    }
  }
  expect(ended).toBe(login.evicted);
}

/** Runs one of several concurrent steps, which all start with the same session id. */
async function race(
  store: SessionStore,
  step: RaceStep,
  on: { issued: { selector: string; credential: SessionCredential }; suffix: string; userId: string },
): Promise<RaceOutcome> {
  const { credential, selector } = on.issued;
  const nothing = { step, version: 0, credential: undefined };
  switch (step.kind) {
    case 'update': {
      const answer = await store.update(credential, { change: setting(step.value), ...NO_LIVES }, deadline());
      const version = answer.outcome === 'updated' ? answer.version : 0;
      return { ...nothing, outcome: answer.outcome, version };
    }
    case 'touch':
      return { ...nothing, outcome: String(await store.read(credential, { touch: true }, deadline())) };
    case 'rotate': {
      const issued = issueSessionId(randomBytes, selector);
      const userId = step.user === null ? undefined : named(step.user, on.suffix);
      const { verifier } = issued.credential;
      const answer = await store.rotate(credential, { verifier, userId, change: NO_CHANGE, graceMs: 0 }, deadline());
      const isRotated = answer.outcome === 'rotated';
      return { ...nothing, outcome: answer.outcome, credential: isRotated ? issued.credential : undefined };
    }
    case 'delete': {
      const verifier = step.byHandle ? undefined : credential.verifier;
      return { ...nothing, outcome: String(await store.delete({ handle: credential.handle, verifier }, deadline())) };
    }
    case 'end': {
      const except = step.except ? credential : undefined;
      const user = on.userId === '' ? `a${on.suffix}` : on.userId;
      const answer = await store.endUserSessions(user, except, deadline());
      return { ...nothing, outcome: answer.outcome };
    }
    case 'list':
      return { ...nothing, outcome: String((await store.list(`a${on.suffix}`, deadline())).length) };
  }
}
