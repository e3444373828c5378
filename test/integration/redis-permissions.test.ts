/**
 * Tests Redis users that have all permissions in docs/operations/redis.md except one. The tests check the outcomes of
 * calls before and after a probe has detected the missing permission. No call may write only a part of its data, and
 * one log line must name the permission.
 */
import { CALL_COMMANDS, KEY_COMMANDS, SCRIPT_COMMANDS } from '../../src/redis/permissions.ts';
import { countKeysWithoutEnd } from '../support/cache/redis.ts';
import { silentLogger } from '../support/lib/silent-logger.ts';
import { ACL_PASSWORD, ACL_USER, createAclUser, documentedRules } from '../support/redis/acl.ts';
import { FORMAT_COMMANDS, SUBSCRIBER_COMMANDS, UNPROBED_COMMANDS } from '../support/redis/documented-permissions.ts';
import { type Ending, openPermissionCalls, type PermissionCalls, PREFIX } from '../support/redis/permission-calls.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

const LOGIN = { username: ACL_USER, password: ACL_PASSWORD };

const SECTIONS = ['every connection', 'limits and sessions', 'cache'] as const;
const COMMANDS = [...new Set(SECTIONS.flatMap((section) => commandsOf(section)))];
/** Commands whose permission Redis does not check, and commands without which all calls still work. */
const NEEDLESS = new Set(UNPROBED_COMMANDS.filter((command) => command !== 'cluster|slots'));

let node: RedisNode;
let world: PermissionCalls | undefined;
let errors: { readonly text: string; readonly detail: string }[];

const log = {
  ...silentLogger,
  error: (fields: object, text: string) =>
    void errors.push({ text, detail: String((fields as { detail?: string }).detail) }),
};

function commandsOf(section: (typeof SECTIONS)[number]): string[] {
  return documentedRules(section)
    .filter((rule) => rule.startsWith('+'))
    .map((rule) => rule.slice(1));
}

beforeAll(async () => {
  node = await startRedis({ args: ['--enable-debug-command', 'local'] });
});

afterAll(async () => {
  await node?.stop();
});

beforeEach(() => {
  errors = [];
});

afterEach(() => {
  world?.close();
  world = undefined;
});

/** Empties the server, and grants the documented permissions, modified by the given rules. */
async function resetServer(...changes: readonly string[]): Promise<void> {
  await node.command('FLUSHALL');
  await node.command('SCRIPT', 'FLUSH');
  await node.command('ACL', 'LOG', 'RESET');
  await createAclUser(node, { prefix: PREFIX });
  if (changes.length > 0) {
    await node.command('ACL', 'SETUSER', ACL_USER, ...changes);
  }
}

async function openProbed(isExpected: () => boolean): Promise<PermissionCalls> {
  const opened = await openPermissionCalls(node.url, { login: LOGIN, log });
  await waitFor('the probe', () => isExpected());
  return opened;
}

/** Makes all calls in order, and checks after each of them that every key has an expiry. */
async function makeCalls(calls: PermissionCalls): Promise<Map<string, Ending>> {
  const endings = new Map<string, Ending>();
  for (const [name, call] of calls.calls) {
    const before = await node.command('DEBUG', 'DIGEST');
    const ending = await call();
    endings.set(name, ending);
    expect([name, await countKeysWithoutEnd(node)]).toEqual([name, 0]);
    if (ending.status === 'FAILED_PRECONDITION') {
      expect([name, await node.command('DEBUG', 'DIGEST')]).toEqual([name, before]);
    }
  }
  return endings;
}

/**
 * Checks that every call ends with an expected status and that no error suggests a retry. Also checks that each refusal
 * refers to the missing permission or to the documentation.
 */
function expectTruth(endings: ReadonlyMap<string, Ending>, isProbed: boolean, command: string): void {
  const certain = ['OK', 'NOT_FOUND', 'FAILURE_MODE', 'CACHE_UNAVAILABLE', 'FAILED_PRECONDITION'];
  const expected = isProbed ? certain : [...certain, 'UNKNOWN'];
  const named = isProbed
    ? `the ACL user lacks the permission +${command} (see docs/operations/redis.md`
    : 'docs/operations/redis.md';
  const wrong = [...endings].filter(([, { status, text, retryPushbackMs }]) => {
    const isRefusal = status === 'UNKNOWN' || status === 'FAILED_PRECONDITION';
    return !expected.includes(status) || retryPushbackMs !== undefined || (isRefusal && !text.includes(named));
  });
  expect(wrong).toEqual([]);
}

test('lists exactly the commands of the permission table in the documentation', () => {
  const { state, cache } = KEY_COMMANDS;
  const common = [...UNPROBED_COMMANDS, ...SCRIPT_COMMANDS, ...CALL_COMMANDS, ...FORMAT_COMMANDS, 'client|info'];
  const ofCache = [
    ...Object.values(cache).flat(),
    ...SUBSCRIBER_COMMANDS.filter((command) => command !== 'client|info'),
  ];
  expect(new Set(commandsOf('every connection'))).toEqual(new Set(common));
  expect(new Set(commandsOf('limits and sessions'))).toEqual(new Set(Object.values(state).flat()));
  expect(new Set(commandsOf('cache'))).toEqual(new Set(ofCache));
  const patterns = (section: (typeof SECTIONS)[number]) =>
    documentedRules(section).filter((rule) => rule.startsWith('~'));
  expect(patterns('limits and sessions')).toEqual(Object.keys(state).map((family) => `~pannier:${family}:*`));
  expect(patterns('cache')).toEqual(Object.keys(cache).map((family) => `~pannier:${family}:*`));
});

test('serves every call of the documented user, and its probe finds and leaves nothing', async () => {
  await resetServer();
  world = await openPermissionCalls(node.url, { login: LOGIN, log });
  await waitFor('the end of the probe', async () =>
    String(await node.command('INFO', 'commandstats')).includes('cmdstat_sunsubscribe'),
  );
  expect(await node.command('DBSIZE')).toBe(0);
  const endings = await makeCalls(world);
  expect([...endings].filter(([, { status }]) => status !== 'OK')).toEqual([]);
  expect(await node.command('ACL', 'LOG')).toEqual([]);
  expect(errors).toEqual([]);
});

describe.each(COMMANDS.filter((command) => command !== 'cluster|slots'))('without +%s', (command) => {
  test('leaves no key without an expiry and suggests no retry before a probe has found it', async () => {
    await resetServer(`-${command}`);
    world = await openPermissionCalls(node.url, { login: LOGIN });
    const endings = await makeCalls(world);
    expectTruth(endings, false, command);
  });

  test('rejects calls that need it without writing, and logs one line, after the probe', async () => {
    await resetServer(`-${command}`);
    const isFound = () => errors.some(({ detail }) => detail.includes(` +${command} `));
    // The sidecar sends ASKING only in a Cluster. It logs nothing if the permission for a command in NEEDLESS is
    // missing. In both cases, the test has no log line to wait for.
    const isNoticed = !NEEDLESS.has(command) && command !== 'asking';
    const areas = ['state', 'cache'] as const;
    const expectedCount = areas.filter((area) => isProbedIn(area, command)).length;
    world = await openProbed(
      () => !isNoticed || errors.filter(({ detail }) => detail.includes(` +${command} `)).length === expectedCount,
    );
    const endings = await makeCalls(world);
    expectTruth(endings, true, command);
    expect(isFound()).toBe(isNoticed);
    // The sidecar logs one line for each role that needs the command.
    expect(errors).toHaveLength(isNoticed ? expectedCount : 0);
    const isRefused = [...endings.values()].some(({ status }) => status !== 'OK');
    expect(isRefused).toBe(isNoticed && !['client|info', 'ssubscribe', 'sunsubscribe'].includes(command));
  });
});

function isProbedIn(area: 'state' | 'cache', command: string): boolean {
  const { cache } = KEY_COMMANDS;
  const common = [...SCRIPT_COMMANDS, ...CALL_COMMANDS];
  const own =
    area === 'cache'
      ? [...Object.values(cache).flat(), ...SUBSCRIBER_COMMANDS]
      : Object.values(KEY_COMMANDS.state).flat();
  return [...common, ...own].includes(command);
}
