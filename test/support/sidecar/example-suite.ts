/**
 * Test suite for an example program in any language. It runs two replicas of the program.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { awayFromWindowEdge, waitFor } from '../wait.ts';
import { spawnBound } from './bound-process.ts';

export interface ExampleProgram {
  url: string;
  stop(): void;
}

/** Starts a program and waits until it prints `listening on URL`. */
export async function startExample(
  command: string,
  args: readonly string[],
  options: { directory: string; address: string },
): Promise<ExampleProgram> {
  const program = await spawnBound(command, args, {
    directory: options.directory,
    environment: { ...process.env, PANNIER_ADDRESS: options.address, PORT: '0' },
  });
  let text = '';
  for (const stream of [program.stdout, program.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  try {
    const match = await waitFor('the example to listen', () => /listening on (\S+)/.exec(text), 30_000);
    return { url: match[1] ?? '', stop: () => program.signal('SIGKILL') };
  } catch (error) {
    program.signal('SIGKILL');
    throw new Error(`cannot start the example: ${text}`, { cause: error });
  }
}

/** Runs a program to its end and returns what it printed. */
export async function runExample(
  command: string,
  args: readonly string[],
  options: { directory: string; address: string },
): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, {
    cwd: options.directory,
    env: { ...process.env, PANNIER_ADDRESS: options.address },
    timeout: 30_000,
  });
  return stdout;
}

/** Defines the tests of the shop example, which use two replicas of the program. */
export function describeShop(name: string, replicas: () => [ExampleProgram, ExampleProgram]): void {
  describe(name, () => {
    test('limits a user across both replicas', async () => {
      await awayFromWindowEdge(60_000);
      const statuses: number[] = [];
      for (let call = 0; call < 6; call += 1) {
        const replica = replicas()[call % 2] as ExampleProgram;
        const response = await fetch(`${replica.url}/hello?user=ada`);
        statuses.push(response.status);
        if (response.status === 429) {
          expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
        }
      }
      expect(statuses).toEqual([200, 200, 200, 200, 200, 429]);
    });

    test('sends no Retry-After for a cost that the limit can never admit', async () => {
      const [replica] = replicas();
      const response = await fetch(`${replica.url}/hello?user=bob&cost=6`);
      expect(response.status).toBe(400);
      expect(response.headers.get('retry-after')).toBeNull();
      expect((await fetch(`${replica.url}/hello?user=bob&cost=5`)).status).toBe(200);
    });

    test('shares sessions between the replicas, rotates the id at login, and ends the session on both', async () => {
      const [first, second] = replicas();
      const guest = await login(first, '');
      const cookie = await login(second, 'ada', guest);
      expect(cookie).not.toBe(guest);
      expect(await statusOf(first, '/me', guest)).toBe(401);
      expect(await statusOf(first, '/me', cookie)).toBe(200);
      await fetch(`${first.url}/logout`, { method: 'POST', headers: { cookie } });
      expect(await statusOf(second, '/me', cookie)).toBe(401);
    });

    test('reads a product from the cache until a replica writes it', async () => {
      const [first, second] = replicas();
      expect(await readProduct(first)).toMatchObject({ source: 'database' });
      expect(await readProduct(second)).toMatchObject({ name: 'pannier', source: 'cache' });
      const written = await fetch(`${first.url}/products/1?name=saddlebag`, { method: 'PUT' });
      expect(written.status).toBe(204);
      expect(await readProduct(first)).toEqual({ name: 'saddlebag', source: 'database' });
      expect(await readProduct(second)).toEqual({ name: 'saddlebag', source: 'cache' });
    });
  });
}

async function login(replica: ExampleProgram, user: string, cookie = ''): Promise<string> {
  const response = await fetch(`${replica.url}/login?user=${user}`, { method: 'POST', headers: { cookie } });
  expect(response.status).toBe(200);
  return response.headers.get('set-cookie')?.split(';')[0] ?? '';
}

async function statusOf(replica: ExampleProgram, path: string, cookie: string): Promise<number> {
  const response = await fetch(`${replica.url}${path}`, { headers: { cookie } });
  return response.status;
}

async function readProduct(replica: ExampleProgram): Promise<unknown> {
  const response = await fetch(`${replica.url}/products/1`);
  return await response.json();
}
