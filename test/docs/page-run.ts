/**
 * Executes a documentation page as a reader would: creates the files of the page, starts its sidecars and runs its
 * commands, in order and in a fresh directory.
 *
 *   1. Commands run in the fresh directory, which contains bin/pannier, proto/, examples/ and the packages of the
 *      repository.
 *   2. Sidecars listen on free ports. In commands and programs, this module replaces the addresses of the page with the
 *      real addresses. In the output of commands, it restores the addresses of the page.
 *   3. If the first command of a page does not start a sidecar, this module starts one with the memory store. Its
 *      address on the page is 127.0.0.1:9470.
 *   4. This module replaces `redis://127.0.0.1:6379` with the address of a real Redis. The Redis starts when the first
 *      sidecar uses this address.
 *   5. A variable that a command sets is available to later commands, as in one shell.
 *   6. Programs listen on the port in the variable PORT. The commands of the page connect to these programs at
 *      127.0.0.1:8080. This module replaces 127.0.0.1:8080 with the real address.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { freePort, type RedisNode, startRedis } from '../support/redis/server.ts';
import { repositoryRoot } from '../support/repository.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';
import { awayFromWindowEdge, waitFor } from '../support/wait.ts';
import {
  compareJson,
  type ExpectedOutput,
  type FileStep,
  matchesText,
  parsePage,
  type RunStep,
  type ServeStep,
  type Step,
} from './executable-page.ts';

const DEFAULT_GRPC_ADDRESS = '127.0.0.1:9470';
const DEFAULT_ADMIN_ADDRESS = '127.0.0.1:9471';
const PAGE_REDIS_ADDRESS = '127.0.0.1:6379';
/** Address at which programs of the page serve HTTP. */
const PAGE_PROGRAM_ADDRESS = '127.0.0.1:8080';
const COMMAND_TIMEOUT_MS = 30_000;
const STEP_TIMEOUT_MS = 60_000;

/** Declares one test for each step of the page. */
export function describePage(page: string): void {
  const steps = readSteps(page);
  if (steps.length === 0) {
    return;
  }
  describe(page, () => {
    const run = new PageRun();

    beforeAll(async () => {
      await awayFromWindowEdge(60_000);
    });

    afterAll(async () => {
      await run.end();
    });

    for (const step of steps) {
      test(
        `line ${step.line}: ${summaryOf(step)}`,
        async () => {
          await run.play(step);
        },
        STEP_TIMEOUT_MS,
      );
    }
  });
}

function readSteps(page: string): Step[] {
  try {
    return parsePage(readFileSync(join(repositoryRoot, page), 'utf8'));
  } catch (error) {
    throw new Error(`cannot execute ${page}: ${(error as Error).message}`, { cause: error });
  }
}

function summaryOf(step: Step): string {
  switch (step.kind) {
    case 'file':
      return `writes ${step.name}`;
    case 'serve':
      return `starts a sidecar: pannier ${step.args.join(' ')}`;
    case 'run':
      return `runs ${step.script.trim().split('\n')[0]?.slice(0, 80)}`;
  }
}

interface RunningSidecar {
  readonly sidecar: Sidecar;
  /** Real addresses of this sidecar, by the address on the page. */
  readonly addresses: readonly (readonly [page: string, real: string])[];
}

class PageRun {
  readonly #directory = mkdtempSync(join(tmpdir(), 'pannier-page-'));
  readonly #variables = join(this.#directory, '.variables');
  /** Running sidecars by their gRPC address on the page. */
  readonly #sidecars = new Map<string, RunningSidecar>();
  #redis: RedisNode | undefined;
  #programPort: number | undefined;

  constructor() {
    mkdirSync(join(this.#directory, 'bin'));
    symlinkSync(join(repositoryRoot, 'bin', 'pannier'), join(this.#directory, 'bin', 'pannier'));
    symlinkSync(join(repositoryRoot, 'node_modules'), join(this.#directory, 'node_modules'));
    for (const name of ['proto', 'examples']) {
      cpSync(join(repositoryRoot, name), join(this.#directory, name), { recursive: true });
    }
    writeFileSync(this.#variables, '');
  }

  /** Executes a step. Rejects if the step fails or its output differs from the page. */
  async play(step: Step): Promise<void> {
    if (step.kind === 'serve') {
      await this.#serve(step);
      return;
    }
    if (!this.#sidecars.has(DEFAULT_GRPC_ADDRESS)) {
      await this.#serve({ kind: 'serve', line: 0, settings: {}, args: ['serve'] });
    }
    if (step.kind === 'file') {
      this.#write(step);
    } else {
      await this.#run(step);
    }
  }

  async end(): Promise<void> {
    for (const { sidecar } of this.#sidecars.values()) {
      await sidecar.stop();
    }
    await this.#redis?.stop();
    rmSync(this.#directory, { recursive: true });
  }

  #write({ name, text }: FileStep): void {
    const path = join(this.#directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, this.#withRealAddresses(text));
  }

  async #serve({ line, settings, args, expected }: ServeStep): Promise<void> {
    const grpcAddress = settings.PANNIER_GRPC_ADDRESS ?? DEFAULT_GRPC_ADDRESS;
    const adminAddress = settings.PANNIER_ADMIN_ADDRESS ?? DEFAULT_ADMIN_ADDRESS;
    await this.#sidecars.get(grpcAddress)?.sidecar.stop();
    if (Object.values(settings).some((value) => value.includes(PAGE_REDIS_ADDRESS))) {
      this.#redis ??= await startRedis();
    }
    const program = join(repositoryRoot, 'bin', 'pannier');
    const inDirectory = ['sh', '-c', 'cd "$0" && exec "$@"', this.#directory, program, ...args];
    const sidecar = await startSidecar(
      {
        ...this.#replacedSettings(settings),
        PANNIER_GRPC_ADDRESS: '127.0.0.1:0',
        PANNIER_ADMIN_ADDRESS: '127.0.0.1:0',
      },
      inDirectory,
    );
    const addresses = [
      [grpcAddress, sidecar.address],
      [adminAddress, new URL(sidecar.adminUrl).host],
    ] as const;
    this.#sidecars.set(grpcAddress, { sidecar, addresses });
    if (expected !== undefined) {
      await this.#expectServeOutput(line, expected, sidecar);
    }
  }

  async #expectServeOutput(line: number, { text }: ExpectedOutput, sidecar: Sidecar): Promise<void> {
    const output = (): string => this.#withPageAddresses(sidecar.output());
    try {
      await waitFor('the output of the page', () => matchesText(text, output()));
    } catch (error) {
      throw new Error(`line ${line}: the output of the sidecar differs from the page:\n${output()}`, { cause: error });
    }
  }

  #replacedSettings(settings: Readonly<Record<string, string>>): Record<string, string> {
    return Object.fromEntries(
      Object.entries(settings).map(([name, value]) => [name, this.#withRealAddresses(value)] as const),
    );
  }

  async #run({ line, script, expected }: RunStep): Promise<void> {
    this.#programPort ??= await freePort();
    const isText = expected?.language === 'text';
    const strict = isText ? '' : 'set -e -o pipefail\n';
    const restore = `. '${this.#variables}'\n`;
    const save = `trap 'declare -p | grep -E "^declare -[-x]+ [a-z_]+=" >"${this.#variables}"' EXIT\n`;
    const redirect = isText ? 'exec 2>&1\n' : '';
    const outcome = await this.#bash(`${restore}${save}${redirect}${strict}${this.#withRealAddresses(script)}`);
    const stdout = this.#withPageAddresses(outcome.stdout);
    const shown = `line ${line}: the command ended with ${outcome.code} and printed\n${stdout}${outcome.stderr}`;
    if (isText) {
      if (!matchesText(expected.text, stdout)) {
        throw new Error(`${shown}\nThe page says\n${expected.text}`);
      }
      return;
    }
    if (outcome.code !== 0) {
      throw new Error(shown);
    }
    if (expected !== undefined) {
      const differences = outcome.stderr === '' ? compareJson(expected.text, stdout) : ['stderr must be empty'];
      if (differences.length > 0) {
        throw new Error(`${shown}\n${differences.join('\n')}`);
      }
    }
  }

  async #bash(script: string): Promise<{ code: number; stdout: string; stderr: string }> {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('PANNIER_'));
    const address = this.#withRealAddresses(DEFAULT_GRPC_ADDRESS);
    const environment = {
      ...Object.fromEntries(inherited),
      PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
      // Example programs read PANNIER_ADDRESS, but `pannier check` rejects this variable as an unknown setting.
      ...(script.includes('bin/pannier check') ? {} : { PANNIER_ADDRESS: address }),
      PANNIER_GRPC_ADDRESS: address,
      PANNIER_ADMIN_ADDRESS: this.#withRealAddresses(DEFAULT_ADMIN_ADDRESS),
      PORT: String(this.#programPort),
    };
    const options = { cwd: this.#directory, env: environment, timeout: COMMAND_TIMEOUT_MS };
    return await new Promise((resolve) => {
      execFile('bash', ['-c', script], options, (error, stdout, stderr) => {
        const code = error === null ? 0 : Number(error.code ?? -1);
        resolve({ code, stdout, stderr });
      });
    });
  }

  #addresses(): (readonly [page: string, real: string])[] {
    const redis = this.#redis === undefined ? [] : [[PAGE_REDIS_ADDRESS, `127.0.0.1:${this.#redis.port}`] as const];
    const program =
      this.#programPort === undefined ? [] : [[PAGE_PROGRAM_ADDRESS, `127.0.0.1:${this.#programPort}`] as const];
    return [...redis, ...program, ...[...this.#sidecars.values()].flatMap(({ addresses }) => addresses)];
  }

  /**
   * Replaces all addresses in one pass. Otherwise, a real address that equals another address on the page would be
   * replaced a second time.
   */
  #withRealAddresses(text: string): string {
    const real = new Map(this.#addresses());
    return text.replaceAll(/127\.0\.0\.1:\d+/g, (address) => real.get(address) ?? address);
  }

  #withPageAddresses(text: string): string {
    const page = new Map(this.#addresses().map(([address, real]) => [real, address] as const));
    return text.replaceAll(/127\.0\.0\.1:\d+/g, (address) => page.get(address) ?? address);
  }
}
