/**
 * Tests `bin/pannier call` in a shell against a real sidecar: the commands of the README, and every kind of failure
 * with its exit code and error message.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../support/repository.ts';
import { spawnBound } from '../support/sidecar/bound-process.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

const directory = mkdtempSync(join(tmpdir(), 'pannier-call-'));
const socketPath = join(directory, 'grpc.sock');
let sidecar: Sidecar;

beforeAll(async () => {
  sidecar = await startSidecar({ PANNIER_GRPC_SOCKET: socketPath });
});

afterAll(async () => {
  await sidecar.stop();
  rmSync(directory, { recursive: true, force: true });
});

function run(
  command: string,
  args: readonly string[],
  settings: Record<string, string> = {},
  input = '',
): Promise<Ran> {
  const env = { ...process.env, PANNIER_GRPC_ADDRESS: sidecar.address, ...settings };
  return new Promise((resolve) => {
    const child = execFile(command, args, { cwd: repositoryRoot, env, timeout: 20_000 }, (failure, out, error) => {
      const code = typeof failure?.code === 'number' ? failure.code : -1;
      resolve({ code: failure === null ? 0 : code, out, error });
    });
    // A command that does not read its input may have exited already.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

function pannier(...args: string[]): Promise<Ran> {
  return run('bin/pannier', args);
}

describe('the README', () => {
  const text = readFileSync(join(repositoryRoot, 'README.md'), 'utf8');
  const lines = [...text.matchAll(/^(bin\/pannier call .*)$/gm)].map((match) => match[1] ?? '');

  test('has commands that succeed in their order', async () => {
    const answers = new Map<string, string>();
    for (const line of lines) {
      const ran = await run('sh', ['-c', line]);
      expect({ line, ...ran }).toMatchObject({ code: 0, error: '' });
      answers.set(/(--list|[A-Z]\w+)/.exec(line)?.[1] ?? '', ran.out);
    }
    expect([...answers.keys()]).toEqual(['CheckRateLimit', 'CreateSession', 'CacheSet', 'CacheGet', '--list']);
    expect(JSON.parse(answers.get('CheckRateLimit') ?? '')).toMatchObject({
      allowed: true,
      limitName: 'minute',
      limit: 5,
      remaining: 4,
      never: false,
      decidedBy: 'DECIDED_BY_STORE',
    });
    expect(JSON.parse(answers.get('CreateSession') ?? '')).toMatchObject({
      session: { userId: 'ada', version: 1, data: {}, idleTtlMs: 1_800_000 },
    });
    expect(JSON.parse(answers.get('CacheSet') ?? '')).toMatchObject({ stored: true });
    expect(JSON.parse(answers.get('CacheGet') ?? '')).toMatchObject({ outcome: 'CACHE_OUTCOME_HIT', value: 'hello' });
    expect(answers.get('--list')).toMatch(/^RateLimitService\/CheckRateLimit {2}\{policy: string, /m);
  });
});

describe('a call', () => {
  const limits = [{ name: 'two', algorithm: 'ALGORITHM_FIXED_WINDOW', limit: 1, windowMs: 3_600_000 }];

  test('that is denied exits with 0 and shows allowed: false', async () => {
    const request = JSON.stringify({ key: 'denied', limits });
    await pannier('call', 'CheckRateLimit', request);
    const second = await pannier('call', 'RateLimitService/CheckRateLimit', request);
    expect(second.code).toBe(0);
    expect(JSON.parse(second.out)).toMatchObject({ allowed: false, remaining: 0 });
  });

  test('reads its request from standard input, and uses the Unix socket', async () => {
    const socketOnly = { PANNIER_GRPC_ADDRESS: 'none', PANNIER_GRPC_SOCKET: socketPath };
    const args = ['call', '--compact', 'pannier.v1.SessionService/CreateSession', '-'];
    const created = await run('bin/pannier', args, socketOnly, '{"user_id": "bob",\n "data": {"a": "aGk="}}');
    expect(created).toMatchObject({ code: 0, error: '' });
    expect(created.out.trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(created.out)).toMatchObject({ session: { userId: 'bob', data: { a: 'aGk=' } } });
    const listed = await pannier('call', '--address', `unix:${socketPath}`, 'ListUserSessions', '{"userId": "bob"}');
    expect(JSON.parse(listed.out).sessions).toHaveLength(1);
  });

  test('without --text is sent with a warning if a value does not decode to text', async () => {
    const ran = await pannier('call', '--compact', 'CacheGet', '{"key": "greeting"}');
    expect(ran).toEqual({
      code: 0,
      out: expect.stringContaining('CACHE_OUTCOME_MISS'),
      error: expect.stringMatching(/^warning: key decodes from base64 to bytes that are not text.*--text\n$/),
    });
    const refused = await pannier('call', 'CacheGet', '{"key": "greeting", "fresh": 1}');
    expect(refused).toMatchObject({ code: 2, error: expect.not.stringContaining('warning') });
  });

  test('accepts several --metadata options, before and after the request', async () => {
    const args = ['call', '--metadata', 'x-one=1', 'CacheGet', '{"key": "aGk="}', '--metadata', 'x-two=a=b'];
    expect(await pannier(...args)).toMatchObject({ code: 0, error: '' });
  });

  test('that watches prints a line per event until Ctrl-C, and exits with 0', async () => {
    const environment = { ...process.env, PANNIER_GRPC_ADDRESS: sidecar.address };
    // Runs the program without the shell of bin/pannier, so that the signal reaches the program directly, as a signal
    // from a terminal would.
    const program = join(repositoryRoot, 'dist', 'main.mjs');
    const args = [program, 'call', '--text', 'WatchInvalidations', '{"namespace": "watched"}'];
    const watch = await spawnBound(process.execPath, args, { environment });
    let text = '';
    watch.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    await waitFor('the watch', () => text.includes('started'));
    await pannier('call', '--text', 'CacheInvalidate', '{"namespace": "watched", "keys": ["greeting"]}');
    await waitFor('the event', () => text.includes('greeting'));
    watch.signal('SIGINT');
    expect(await watch.ended).toBe(0);
    const events = text.trim().split('\n');
    expect(JSON.parse(events[0] ?? '')).toEqual({ started: { watchId: expect.any(Number) }, version: '' });
    expect(JSON.parse(events[1] ?? '')).toEqual({ key: 'greeting', version: '' });
  });

  test('that watches ends with its deadline', async () => {
    const ran = await pannier('call', '--deadline-ms', '700', 'WatchInvalidations');
    expect(ran).toMatchObject({ code: 1, error: expect.stringMatching(/^DEADLINE_EXCEEDED: /) });
  });
});

describe('exit code 1', () => {
  test('for a rejected call, with its status and text', async () => {
    expect(await pannier('call', 'CheckRateLimit', '{"key": "ada"}')).toEqual({
      code: 1,
      out: '',
      error: expect.stringMatching(/^INVALID_ARGUMENT: policy must be set when limits is unset, got neither\n$/),
    });
    expect(
      await pannier('call', 'GetSession', '{"sessionId": "AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA"}'),
    ).toMatchObject({ code: 1, error: expect.stringMatching(/^NOT_FOUND: /) });
  });

  test('for a sidecar without Redis, which is not reported as a missing sidecar', async () => {
    const away = await startSidecar({ PANNIER_REDIS_URL: `redis://127.0.0.1:${await freePort()}` });
    try {
      const ran = await pannier('call', '--address', away.address, 'CreateSession', '{"userId": "ada"}');
      expect(ran).toMatchObject({ code: 1, error: expect.stringMatching(/^UNAVAILABLE: /) });
      expect(ran.error).not.toContain('cannot reach a sidecar');
    } finally {
      await away.stop();
    }
  });

  test('if nothing listens, with the address and a remedy', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const remedy = 'start one with "pannier serve", or set its address with --address or PANNIER_GRPC_ADDRESS\n';
    expect(await pannier('call', '--address', address, 'CacheGet')).toEqual({
      code: 1,
      out: '',
      error: `UNAVAILABLE: cannot reach a sidecar at ${address}: ECONNREFUSED; ${remedy}`,
    });
    const path = join(directory, 'missing.sock');
    expect(await pannier('call', '--address', `unix:${path}`, 'CacheGet')).toMatchObject({
      code: 1,
      error: `UNAVAILABLE: cannot reach a sidecar at unix:${path}: ENOENT; ${remedy}`,
    });
  });

  test('if the server at the address never replies', async () => {
    const silent = createServer((socket) => socket.on('error', () => {}).resume());
    const address = `127.0.0.1:${await listen(silent)}`;
    const ran = await pannier('call', '--deadline-ms', '700', '--address', address, 'CacheGet');
    expect(ran).toMatchObject({
      code: 1,
      error: expect.stringContaining(`cannot reach a sidecar at ${address}: no connection in time;`),
    });
    silent.close();
  });
});

describe('exit code 2', () => {
  test.each([
    [['CheckRateLimt'], /^unknown method "CheckRateLimt"; did you mean "CheckRateLimit"\?\n$/],
    [[], /no method is given.*--list/],
    [
      ['CheckRateLimit', '{"limits": [{"windowMS": 1}]}'],
      /^unknown field "windowMS" in limits\[0\] \(Limit\); did you mean "windowMs"\?\n$/,
    ],
    [['CheckRateLimit', '{"cost": true}'], /^cost must be an integer, got a boolean\n$/],
    [['CheckRateLimit', '{"key": "a",}'], /line 1, column 13: unexpected "}"/],
    [['--address', 'localhost', 'CacheGet'], /^--address must be HOST:PORT or unix:PATH, got "localhost"\n$/],
    [['--deadline-ms', '0', 'CacheGet'], /^--deadline-ms must be an integer from 1 to 999999999, got "0"\n$/],
    [['--metadata', 'nothing', 'CacheGet'], /^--metadata must be KEY=VALUE in ASCII, got "nothing"\n$/],
    [['--addres', 'x', 'CacheGet'], /^unknown option "--addres"; did you mean "--address"\?\n/],
    [['CacheGet', '{}', '{}'], /^pannier call must have at most 2 arguments, got 3\n/],
  ])('for call %j', async (args, text) => {
    expect(await pannier('call', ...args)).toEqual({ code: 2, out: '', error: expect.stringMatching(text) });
  });

  test('for an unknown command', async () => {
    expect(await pannier('cal')).toMatchObject({
      code: 2,
      error: expect.stringContaining('unknown command "cal"; did you mean "call"?'),
    });
  });
});

test('prints --help and --version on standard output', async () => {
  expect(await pannier('--version')).toEqual({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), error: '' });
  const help = await pannier('--help');
  expect(help).toMatchObject({ code: 0, error: '' });
  for (const command of ['serve', 'check', 'call']) {
    expect(help.out).toContain(`\n  ${command} [options]`);
  }
  const callHelp = await pannier('call', '--help');
  expect(callHelp).toMatchObject({ code: 0, error: '' });
  for (const option of ['--list', '--text', '--address', '--deadline-ms', '--metadata', '--compact']) {
    expect(callHelp.out).toContain(option);
  }
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Returns a loopback port on which no process listens. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}
