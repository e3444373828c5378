/**
 * Tests sessions on several sidecars: all sidecars find a session that one of them created. After the deletion of the
 * session, no sidecar finds it, and a late write does not restore it.
 */
import { type Fleet, startFleet } from '../support/sidecar/fleet.ts';
import type { PannierClient } from '../support/sidecar/pannier-client.ts';

const NOT_FOUND = 5;
const RACES = 1_500;

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet();
});

afterAll(async () => {
  await fleet?.stop();
});

async function createSession(client: PannierClient, userId = ''): Promise<string> {
  const created = await client.createSession({ userId, data: { cart: Buffer.from('empty') } });
  if (!created.ok) {
    throw new Error(`cannot create a session: ${created.details}`);
  }
  return created.response.session?.sessionId ?? '';
}

async function codesOf(sessionId: string): Promise<(number | 'live')[]> {
  const answers = await Promise.all(fleet.clients.map((client) => client.getSession({ sessionId })));
  return answers.map((answer) => (answer.ok ? 'live' : answer.code));
}

test('a session created through one sidecar is readable through another, and a deletion through the third ends it on all', async () => {
  const [first, second, third] = fleet.clients;
  const sessionId = await createSession(first, 'ada');
  const read = await second.getSession({ sessionId });
  expect(read.ok && read.response.session?.userId).toBe('ada');
  expect(read.ok && read.response.session?.data.cart?.toString()).toBe('empty');
  const deleted = await third.deleteSession({ sessionId });
  expect(deleted.ok && deleted.response.existed).toBe(true);
  expect(await codesOf(sessionId)).toEqual([NOT_FOUND, NOT_FOUND, NOT_FOUND]);
});

test('logout everywhere ends all sessions of the user on all sidecars, and no session of another user', async () => {
  const [first, second, third] = fleet.clients;
  const mine = [await createSession(first, 'grace'), await createSession(second, 'grace')];
  const kept = await createSession(third, 'grace');
  const other = await createSession(second, 'linus');
  const ended = await first.deleteUserSessions({ userId: 'grace', exceptSessionId: kept });
  expect(ended.ok && ended.response.deleted).toBe(2);
  for (const sessionId of mine) {
    expect(await codesOf(sessionId)).toEqual([NOT_FOUND, NOT_FOUND, NOT_FOUND]);
  }
  expect(await codesOf(kept)).toEqual(['live', 'live', 'live']);
  expect(await codesOf(other)).toEqual(['live', 'live', 'live']);
});

test('a login returns a new session id, and the old id is invalid on all sidecars', async () => {
  const [first, second] = fleet.clients;
  const guest = await createSession(first);
  const rotated = await second.rotateSession({ sessionId: guest, userId: 'ada' });
  const sessionId = rotated.ok ? (rotated.response.session?.sessionId ?? '') : '';
  expect(await codesOf(guest)).toEqual([NOT_FOUND, NOT_FOUND, NOT_FOUND]);
  expect(await codesOf(sessionId)).toEqual(['live', 'live', 'live']);
});

test(`${RACES} races of update and delete leave no session behind`, async () => {
  const survivors: (number | 'live')[][] = [];
  async function race(index: number): Promise<void> {
    const client = (offset: number): PannierClient => fleet.clients[(index + offset) % 3] as PannierClient;
    const sessionId = await createSession(client(0), index % 2 === 0 ? 'racer' : '');
    const update = (): Promise<unknown> => client(1).updateSession({ sessionId, set: { cart: Buffer.from('full') } });
    const remove = (): Promise<unknown> => client(2).deleteSession({ sessionId });
    const rotate = (): Promise<unknown> => client(0).rotateSession({ sessionId });
    const steps = [update, remove, update, ...(index % 5 === 0 ? [rotate] : []), update];
    await Promise.all(steps.map((step) => step()));
    if (index % 5 !== 0) {
      const codes = await codesOf(sessionId);
      if (codes.includes('live')) {
        survivors.push(codes);
      }
    }
  }
  for (let start = 0; start < RACES; start += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, offset) => race(start + offset)));
  }
  expect(survivors).toEqual([]);
});
