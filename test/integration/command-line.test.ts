/**
 * The command line as a shell uses it: names of commands, pipes whose reader has gone, disks that are full.
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

/** Runs a line of shell; the exit code of `bin/pannier` itself is what it prints as `code`. */
function shell(line: string, settings: Record<string, string> = {}): Promise<Ran> {
  const env = { ...process.env, ...settings };
  return new Promise((resolve) => {
    execFile('sh', ['-c', line], { cwd: repositoryRoot, env, timeout: 20_000 }, (failure, out, error) => {
      resolve({ code: typeof failure?.code === 'number' ? failure.code : failure === null ? 0 : -1, out, error });
    });
  });
}

describe('the name of a command', () => {
  test.each(['toString', 'constructor', '__proto__', 'serv'])('%s is none: exit code 2 and no stack', async (name) => {
    const ran = await shell(`bin/pannier ${name}`);
    expect(ran).toMatchObject({ code: 2, out: '' });
    expect(ran.error).toMatch(/^error: unknown command .*\n(\(Did you mean serve\?\)\n)?\(see pannier --help\)\n$/);
  });

  test('--help before a command lists all of them', async () => {
    expect((await shell('bin/pannier --help check')).out).toMatch(/ serve .* check .* webhook /s);
  });
});

describe('output that nobody takes', () => {
  test.each([
    ['--help', 0],
    ['serve --help', 0],
    ['check', 0],
    ['call --list', 0],
    ['serve', 2],
  ])('a reader of `%s` that has gone changes nothing: exit code %i, no stack', async (args, code) => {
    const codeFile = join(directory, 'code');
    // The reader is gone before anything is written: the program begins once the other end of the pipe is closed.
    const line = `{ sleep 0.2; bin/pannier ${args} 2>&1; echo $? > ${codeFile}; } | true; cat ${codeFile}`;
    const wrong: Record<string, string> = code === 2 ? { PANNIER_NO_SUCH: '1' } : {};
    expect(await shell(line, wrong)).toEqual({ code: 0, out: `${code}\n`, error: '' });
  });

  test('a full disk is a failure that is said', async () => {
    expect(await shell('bin/pannier check > /dev/full')).toEqual({
      code: 1,
      out: '',
      error: 'cannot write the output: ENOSPC, wanted an output that takes it\n',
    });
  });
});

describe('a sidecar', () => {
  const settings = 'PANNIER_GRPC_ADDRESS=127.0.0.1:0 PANNIER_ADMIN_ADDRESS=127.0.0.1:0';

  /** Through its socket, since what it logs cannot be read. */
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

  test('whose log has a full disk, and its standard error too, serves, and drains when it is told to', async () => {
    const socket = join(directory, 'full.sock');
    const program = await startWith('/dev/full', socket);
    await waitFor('the sidecar serving', () => serves(socket));
    program.signal('SIGTERM');
    expect(await program.ended).toBe(0);
  });

  test('whose log goes to a pipe that nobody empties serves, and drains when it is told to', async () => {
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

  test('whose log and standard error share a file loses nothing of either', async () => {
    const file = join(directory, 'both');
    const line = `exec env ${settings} bin/pannier serve --hints > ${file} 2>&1`;
    const program = await spawnBound('sh', ['-c', line], { directory: repositoryRoot });
    programs.push(program);
    await waitFor('the hints', () => readFileSync(file, 'utf8').includes('several sidecars answer as one'));
    program.signal('SIGTERM');
    expect(await program.ended).toBe(0);
    const text = readFileSync(file, 'utf8');
    expect(text.match(/"msg":"[^"]+"/g)).toHaveLength(4);
    expect(text).toContain('\npannier serves on ');
  });

  test.each([
    ['PANNIER_ADMIN_ADDRESS=127.0.0.1:PORT', 'EADDRINUSE, wanted a free address (PANNIER_ADMIN_ADDRESS)'],
    ['PANNIER_GRPC_ADDRESS=127.0.0.1:PORT', 'the address is in use; use another one (PANNIER_GRPC_ADDRESS)'],
  ])('that cannot listen (%s) says which setting it was: exit code 1', async (setting, text) => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const line = `env ${settings} ${setting.replace(':PORT', `:${port}`)} bin/pannier serve`;
    const ran = await shell(line);
    taken.close();
    expect(ran).toMatchObject({ code: 1, error: `pannier: cannot listen on 127.0.0.1:${port}: ${text}\n` });
  });

  test('that reaches no Redis says so, with whom it asks and without the password', async () => {
    const settingsOfRedis = { PANNIER_REDIS_URL: 'redis://u:canary@127.0.0.1:1' };
    const sidecar = await startSidecar(settingsOfRedis);
    const told = await waitFor('the warning', () =>
      sidecar.logLines().find((line) => String(line.msg).startsWith('no Redis node has answered yet')),
    );
    expect(told).toMatchObject({ level: 'warn', asked: ['127.0.0.1:1'] });
    const page = await (await fetch(`${sidecar.adminUrl}/readyz`)).text();
    expect(page).toContain('redis state: no node has answered yet, asked: 127.0.0.1:1\n');
    expect(sidecar.output() + page).not.toContain('canary');
    expect(await sidecar.stop()).toBe(0);
  });
});
