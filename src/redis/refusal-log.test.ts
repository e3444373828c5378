/**
 * Tests that one line is logged when a refusal begins, and one when the refusal ends. The number of refused calls and
 * the success of other commands do not change this.
 */
import { FakeClock } from '../../test/support/lib/fake-clock.ts';
import { silentLogger } from '../../test/support/lib/silent-logger.ts';
import { RefusalLog } from './refusal-log.ts';

interface Line {
  readonly level: 'error' | 'info';
  readonly code: string;
  readonly [field: string]: unknown;
}

const NODE = 'redis:6379';
const MISCONF = 'MISCONF Redis is configured to save RDB snapshots, but it is unable to persist to disk.';
const NOPERM = "NOPERM User app has no permissions to run the 'hset' command";

let clock: FakeClock;
let lines: Line[];
let refusals: RefusalLog;

beforeEach(() => {
  clock = new FakeClock();
  lines = [];
  const keep = (level: Line['level']) => (fields: object, message: string) =>
    void lines.push({ level, ...(fields as { code: string }), message });
  refusals = new RefusalLog({
    role: 'state',
    clock,
    log: { ...silentLogger, error: keep('error'), info: keep('info') },
  });
});

afterEach(() => refusals.close());

function refuse(code: string, command = 'check', text = `${code} text`, node = NODE): void {
  refusals.refused({ text, node, command });
}

function levels(): string[] {
  return lines.map(({ level, code }) => `${level} ${code}`);
}

test('writes one line with the text of Redis, the node and the command for 1,000 refused calls', () => {
  for (let call = 0; call < 1_000; call += 1) {
    refuse('MISCONF', 'check', MISCONF);
  }
  expect(lines).toEqual([
    {
      level: 'error',
      role: 'state',
      code: 'MISCONF',
      node: NODE,
      command: 'check',
      reply: MISCONF,
      detail: 'Redis refuses writes because it cannot save to disk',
      message: 'Redis refuses commands',
    },
  ]);
  expect(refusals.isEmpty).toBe(false);
  expect(refusals.current()).toMatchObject([{ code: 'MISCONF', node: NODE, sinceMs: clock.nowMs() }]);
});

test('writes one line when the refusal ends', () => {
  refuse('MISCONF');
  refuse('MISCONF');
  clock.advance(5_000);
  refusals.succeeded({ node: NODE, command: 'check', kind: 'write' });
  expect(lines.at(-1)).toEqual({
    level: 'info',
    role: 'state',
    code: 'MISCONF',
    refusedCalls: 2,
    durationMs: 5_000,
    message: 'Redis no longer refuses commands',
  });
  expect(refusals.isEmpty).toBe(true);
  refusals.succeeded({ node: NODE, command: 'check', kind: 'write' });
  expect(lines).toHaveLength(2);
});

test('does not end a refusal when another command succeeds', () => {
  for (let call = 0; call < 1_000; call += 1) {
    refuse('NOPERM', 'check', NOPERM);
    clock.advance(1_000);
    refusals.succeeded({ node: NODE, command: 'touch', kind: 'write' });
    refusals.succeeded({ node: 'other:6379', command: 'check', kind: 'write' });
  }
  expect(levels()).toEqual(['error NOPERM']);
});

test('ends a code once all its subjects have succeeded', () => {
  refuse('NOPERM', 'check');
  refuse('NOPERM', 'create');
  clock.advance(5_000);
  refusals.succeeded({ node: NODE, command: 'check', kind: 'write' });
  expect(levels()).toEqual(['error NOPERM']);
  refusals.succeeded({ node: NODE, command: 'create', kind: 'write' });
  expect(levels()).toEqual(['error NOPERM', 'info NOPERM']);
});

test('writes few lines if calls are refused and succeed in turns', () => {
  for (let second = 0; second < 3_600; second += 1) {
    refuse('WRONGTYPE');
    clock.advance(500);
    refusals.succeeded({ node: NODE, command: 'check', kind: 'write' });
    clock.advance(1_500);
    refusals.current();
  }
  expect(lines.length).toBeLessThan(10);
});

test('ends after a success without another call', async () => {
  const realTime = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
  const infos: object[] = [];
  const log = { ...silentLogger, info: (fields: object) => void infos.push(fields) };
  refusals = new RefusalLog({ role: 'state', clock: realTime, log });
  refuse('BUSY');
  refusals.succeeded({ node: NODE, command: 'check', kind: 'write' });
  expect(refusals.isEmpty).toBe(false);
  while (!refusals.isEmpty) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(infos).toHaveLength(1);
});

test.each([
  ['MISCONF', 'read', false],
  ['MISCONF', 'other', false],
  ['MISCONF', 'write_in_place', true],
  ['OOM', 'write_in_place', false],
  ['OOM', 'write', true],
  ['READONLY', 'read', false],
  ['LOADING', 'read', true],
  ['BUSY', 'other', true],
  ['WRONGTYPE', 'write', false],
] as const)('%s: the success of another command of kind %s ends it: %s', (code, kind, isOver) => {
  refuse(code, 'check');
  clock.advance(5_000);
  refusals.succeeded({ node: NODE, command: 'another', kind });
  expect(refusals.isEmpty).toBe(isOver);
});

test('drops the subjects of a node that is no longer used', () => {
  refuse('READONLY', 'check');
  refuse('READONLY', 'check', 'READONLY text', 'other:6379');
  clock.advance(5_000);
  refusals.forget(NODE);
  expect(refusals.isEmpty).toBe(false);
  refusals.forget('other:6379');
  expect(levels()).toEqual(['error READONLY', 'info READONLY']);
});

test('drops a command that is not sent for an hour', () => {
  refuse('NOPERM');
  clock.advance(3_500_000);
  expect(refusals.current()).toHaveLength(1);
  clock.advance(200_000);
  expect(refusals.current()).toEqual([]);
  expect(levels()).toEqual(['error NOPERM', 'info NOPERM']);
});

test('names each missing permission of a check once, and keeps it until the check succeeds', () => {
  for (let round = 0; round < 3; round += 1) {
    for (const name of ['hset', 'spublish']) {
      refusals.found({ code: 'NOPERM', node: NODE, command: name, detail: `the ACL user lacks +${name}` });
    }
    clock.advance(3_600_000);
    expect(refusals.current()).toHaveLength(1);
  }
  expect(lines.map(({ detail }) => detail)).toEqual(['the ACL user lacks +hset', 'the ACL user lacks +spublish']);
  refusals.succeeded({ node: NODE, command: 'hset', kind: 'other' });
  refusals.succeeded({ node: NODE, command: 'spublish', kind: 'other' });
  expect(levels()).toEqual(['error NOPERM', 'error NOPERM', 'info NOPERM']);
});

test('does not end a refusal when a check finds another detail, and drops the old detail with its last node', () => {
  const find = (node: string, detail: string) =>
    refusals.found({ code: 'NOPERM', node, command: 'permissions', detail });
  const details = () => refusals.current().flatMap((current) => current.details);
  find(NODE, 'lacks +hset +hget');
  find('other:6379', 'lacks +hset +hget');
  find(NODE, 'lacks +hset');
  expect(details()).toEqual(['lacks +hset +hget', 'lacks +hset']);
  find('other:6379', 'lacks +hset');
  expect(details()).toEqual(['lacks +hset']);
  expect(levels()).toEqual(['error NOPERM', 'error NOPERM']);
  refusals.ended('NOPERM', NODE);
  refusals.ended('NOPERM', 'other:6379');
  expect(levels()).toEqual(['error NOPERM', 'error NOPERM', 'info NOPERM']);
});

test('uses separate messages for damaged values', () => {
  refuse('DAMAGED', 'session-read', 'DAMAGED session');
  clock.advance(2_000);
  refusals.succeeded({ node: NODE, command: 'session-read', kind: 'read' });
  expect(lines.map(({ level, message }) => [level, message])).toEqual([
    ['error', 'damaged value in Redis'],
    ['info', 'no more damaged values found in Redis'],
  ]);
});

test('reports a permission that a script lacks as NOPERM, whatever code Redis returns', () => {
  refuse('ERR', 'check', "ERR The user executing the script can't run this command or subcommand script: 5f21");
  refuse('ERR', 'check', "ERR ACL failure in script: User app has no permissions to run the 'hset' command");
  expect(levels()).toEqual(['error NOPERM']);
});

test('logs both findings of checks and refusals of callers, in either order', () => {
  refusals.found({ code: 'NOPERM', node: NODE, command: 'hset', detail: 'the ACL user lacks +hset' });
  refuse('NOPERM', 'check', NOPERM);
  refuse('NOPERM', 'check', NOPERM);
  expect(lines.map(({ message }) => message)).toEqual(['Redis user lacks permissions', 'Redis refuses commands']);
});

test('bounds codes, subjects and details', () => {
  refusals.refused({ text: 'A'.repeat(10_000), node: NODE, command: 'check' });
  expect(lines[0]?.code).toBe('A'.repeat(32));
  for (let index = 0; index < 1_000; index += 1) {
    refuse(`CODE${String.fromCharCode(65 + (index % 26), 65 + Math.floor(index / 26))}`, `command-${index}`);
    refusals.found({ code: 'NOPERM', node: NODE, command: `c${index}`, detail: `detail ${index}` });
  }
  expect(refusals.current().length).toBeLessThanOrEqual(33);
  expect(lines.length).toBeLessThanOrEqual(33 + 16);
});
