/**
 * Tests the command line in a shell: unknown commands, closed pipes and full disks.
 */
import { execFile, execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../support/repository.ts';
import { type BoundProcess, spawnBound } from '../support/sidecar/bound-process.ts';
import { startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';

const directory = mkdtempSync(join(tmpdir(), 'pannier-line-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** Runs a shell command. */
function shell(line: string, settings: Record<string, string> = {}): Promise<Ran> {
  const env = { ...process.env, ...settings };
  return new Promise((resolve) => {
    execFile('sh', ['-c', line], { cwd: repositoryRoot, env, timeout: 20_000 }, (failure, out, error) => {
      resolve({ code: typeof failure?.code === 'number' ? failure.code : failure === null ? 0 : -1, out, error });
    });
  });
}

describe('the name of a command', () => {
  test.each(['toString', 'constructor', '__proto__', 'serv'])(
    '%s is unknown: exit code 2 and no stack trace',
    async (name) => {
      const ran = await shell(`bin/pannier ${name}`);
      expect(ran).toMatchObject({ code: 2, out: '' });
      expect(ran.error).toMatch(/^unknown command "\w+"(; did you mean "serve"\?)?\n\(see pannier --help\)\n$/);
    },
  );

  test('lists all commands for --help before a command', async () => {
    expect((await shell('bin/pannier --help check')).out).toMatch(/ serve .* check .* webhook /s);
  });
});

describe('blocked or closed output', () => {
  test.each([
    ['--help', 0],
    ['serve --help', 0],
    ['check', 0],
    ['call --list', 0],
    ['serve', 2],
  ])('does not change `%s` if the reader has exited: exit code %i, no stack trace', async (args, code) => {
    const codeFile = join(directory, 'code');
    // The program starts only after the other end of the pipe is closed, so that every write fails.
    const line = `{ sleep 0.2; bin/pannier ${args} 2>&1; echo $? > ${codeFile}; } | true; cat ${codeFile}`;
    const settings: Record<string, string> = code === 2 ? { PANNIER_NO_SUCH: '1' } : {};
    expect(await shell(line, settings)).toEqual({ code: 0, out: `${code}\n`, error: '' });
  });

  test('reports a full disk as a failure', async () => {
    expect(await shell('bin/pannier check > /dev/full')).toEqual({
      code: 1,
      out: '',
      error: 'cannot write to standard output: ENOSPC; use a writable output\n',
    });
  });
});

describe('a sidecar', () => {
  const settings = 'PANNIER_GRPC_ADDRESS=127.0.0.1:0 PANNIER_ADMIN_ADDRESS=127.0.0.1:0';

  /** Calls the sidecar through its socket, because the test cannot read the TCP address of the sidecar from the log. */
  async function serves(socket: string): Promise<boolean> {
    const ran = await shell(`bin/pannier call --address unix:${socket} --deadline-ms 1000 CacheGet`);
    return ran.code === 0 || ran.error.startsWith('INVALID_ARGUMENT');
  }

  const programs: BoundProcess[] = [];
  afterEach(() => {
    for (const program of programs.splice(0)) {
      program.signal('SIGKILL');
    }
  });

  async function startWith(output: string, socket: string): Promise<BoundProcess> {
    const line = `exec env ${settings} PANNIER_GRPC_SOCKET=${socket} bin/pannier serve --hints > ${output} 2> /dev/full`;
    const program = await spawnBound('sh', ['-c', line], { directory: repositoryRoot });
    programs.push(program);
    return program;
  }

  test('serves and drains even if its log and standard error are on a full disk', async () => {
    const socket = join(directory, 'full.sock');
    const program = await startWith('/dev/full', socket);
    await waitFor('the sidecar serving', () => serves(socket));
    program.signal('SIGTERM');
    expect(await program.ended).toBe(0);
  });

  test('serves and drains even if its log goes to a blocked pipe', async () => {
    const pipe = join(directory, 'stuck');
    execFileSync('mkfifo', [pipe]);
    const fd = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
    expect(() => {
      while (true) {
        writeSync(fd, 'x'.repeat(4_096));
      }
    }).toThrow('EAGAIN');
    const socket = join(directory, 'stuck.sock');
    const program = await startWith(pipe, socket);
    await waitFor('the sidecar serving', () => serves(socket));
    program.signal('SIGTERM');
    expect(await program.ended).toBe(0);
    closeSync(fd);
  });

  test('writes its log to a file from the first line to the last', async () => {
    const file = join(directory, 'log');
    const socket = join(directory, 'file.sock');
    const program = await startWith(file, socket);
    await waitFor('the sidecar serving', () => serves(socket));
    program.signal('SIGTERM');
    expect(await program.ended).toBe(0);
    const messages = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { msg: string }).msg);
    expect(messages).toEqual([expect.stringContaining('no PANNIER_REDIS_URL'), 'serving', 'draining', 'drained']);
  });

  test('loses no output if its log and standard error share a file', async () => {
    const file = join(directory, 'both');
    const line = `exec env ${settings} bin/pannier serve --hints > ${file} 2>&1`;
    const program = await spawnBound('sh', ['-c', line], { directory: repositoryRoot });
    programs.push(program);
    await waitFor('the hints', () => readFileSync(file, 'utf8').includes('Press Ctrl-C to stop'));
    program.signal('SIGTERM');
    expect(await program.ended).toBe(0);
    const text = readFileSync(file, 'utf8');
    expect(text.match(/"msg":"[^"]+"/g)).toHaveLength(4);
    expect(text).toContain('\npannier is serving on ');
  });

  test.each([
    ['PANNIER_ADMIN_ADDRESS=127.0.0.1:PORT', 'EADDRINUSE; use a free address (PANNIER_ADMIN_ADDRESS)'],
    ['PANNIER_GRPC_ADDRESS=127.0.0.1:PORT', 'the address is in use; use another one (PANNIER_GRPC_ADDRESS)'],
  ])('names the setting (%s) if it cannot listen, and exits with 1', async (setting, text) => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const line = `env ${settings} ${setting.replace(':PORT', `:${port}`)} bin/pannier serve`;
    const ran = await shell(line);
    taken.close();
    expect(ran).toMatchObject({ code: 1, error: `pannier: cannot listen on 127.0.0.1:${port}: ${text}\n` });
  });

  test('warns with its seeds but without the password if no Redis replies', async () => {
    const settingsOfRedis = { PANNIER_REDIS_URL: 'redis://u:canary@127.0.0.1:1' };
    const sidecar = await startSidecar(settingsOfRedis);
    const warning = await waitFor('the warning', () =>
      sidecar.logLines().find((line) => String(line.msg).startsWith('no Redis node has replied yet')),
    );
    expect(warning).toMatchObject({ level: 'warn', seeds: ['127.0.0.1:1'] });
    const page = await (await fetch(`${sidecar.adminUrl}/readyz`)).text();
    expect(page).toContain('redis state: no node has replied yet, tried: 127.0.0.1:1\n');
    expect(sidecar.output() + page).not.toContain('canary');
    expect(await sidecar.stop()).toBe(0);
  });
});
