/**
 * Runs gRPC clients in other languages against the real sidecar, on each of its transports. cases.ts lists the cases
 * that every client runs.
 *
 * PANNIER_TEST_CLIENTS names the clients to run. If the variable is unset, all clients run, and the tests of a client
 * fail if its toolchain is not installed.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../support/repository.ts';
import { type BoundProcess, spawnBound } from '../support/sidecar/bound-process.ts';
import { connectPannier } from '../support/sidecar/pannier-client.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';
import { CASES, type CaseResult, LOAD_CASE, LOADED_LINE, MARKER_KEY, readResults } from './cases.ts';
import { startCountingProxy } from './counting-proxy.ts';
import { type Command, chosenLanguages, prepareClient } from './languages.ts';

const TRANSPORTS = ['http2', 'grpc-js'];
const BUILD_TIMEOUT_MS = 1_800_000;
const RUN_TIMEOUT_MS = 240_000;
const CONNECTION_AGE_MS = 1_000;
/** Minimum number of connections that a client opens in the test: the first connection and three more. */
const MIN_CONNECTIONS = 4;
const descriptorSet = join(repositoryRoot, 'proto', 'descriptor-set.binpb');

describe.each(chosenLanguages(process.env.PANNIER_TEST_CLIENTS))('$name', (language) => {
  let command: Command;

  beforeAll(async () => {
    command = await prepareClient(language);
  }, BUILD_TIMEOUT_MS);

  const places: Place[] = language.dialsUnixSockets ? ['TCP', 'a unix socket'] : ['TCP'];
  /**
   * Runs of the client, one for each transport and kind of address. The runs are concurrent, because most of their time
   * is spent waiting for pings on idle connections.
   */
  let plays: Map<string, Promise<Played>> | undefined;

  function playEverywhere(): Map<string, Promise<Played>> {
    const targets = TRANSPORTS.flatMap((transport) => places.map((place) => ({ transport, place })));
    return new Map(
      targets.map(({ transport, place }) => [`${transport} ${place}`, playAll(command, transport, place)]),
    );
  }

  describe.each(TRANSPORTS)('on %s', (transport) => {
    describe.each(places)('over %s', (place) => {
      describe('as a caller', () => {
        let played: Played;

        beforeAll(async () => {
          plays ??= playEverywhere();
          await Promise.allSettled(plays.values());
          played = (await plays.get(`${transport} ${place}`)) as Played;
        }, RUN_TIMEOUT_MS);

        test.each(Object.entries(CASES))('%s: %s', (name) => {
          const noLine = { passed: false, reason: `it printed no such line: ${played.output}` };
          expect(played.results.get(name) ?? noLine).toEqual({ passed: true });
        });

        test('the sidecar logs no error', () => {
          expect(played.errors).toEqual([]);
        });
      });

      test(
        'no call fails while the sidecar is replaced under load',
        async () => {
          const first = await serve(transport, place);
          const client = await startClient(command, first.address, 'load');
          try {
            await waitForLoad(client);
            expect(await first.sidecar.stop()).toBe(0);
            // The cache of the second sidecar is empty, so calls to this sidecar do not find the marker.
            const second = await startOn(transport, first.settings);
            await client.end();
            await second.stop();
          } finally {
            client.kill();
            await first.sidecar.stop();
          }
          expectLoadPassed(client);
          expect(errorsOf(first.sidecar)).toEqual([]);
        },
        RUN_TIMEOUT_MS,
      );
    });

    test(
      'no call fails while connections grow too old under load',
      async () => {
        const sidecar = await startOn(transport, { PANNIER_GRPC_MAX_CONNECTION_AGE_MS: String(CONNECTION_AGE_MS) });
        const proxy = await startCountingProxy(sidecar.address);
        const client = await startClient(command, proxy.address, 'load');
        const pannier = connectPannier(sidecar.address);
        try {
          await waitForLoad(client);
          await waitFor('new connections', () => proxy.connections() >= MIN_CONNECTIONS || client.hasEnded(), 40_000);
          await pannier.cacheInvalidate({ keys: [Buffer.from(MARKER_KEY)] });
          await client.end();
        } finally {
          client.kill();
          pannier.close();
          proxy.close();
          await sidecar.stop();
        }
        expectLoadPassed(client);
        expect(errorsOf(sidecar)).toEqual([]);
      },
      RUN_TIMEOUT_MS,
    );
  });
});

type Place = 'TCP' | 'a unix socket';

interface Served {
  readonly sidecar: Sidecar;
  /** Address to which clients connect. */
  readonly address: string;
  /** Settings with which another sidecar listens on the same address. */
  readonly settings: Record<string, string>;
}

async function serve(transport: string, place: Place): Promise<Served> {
  if (place === 'TCP') {
    const sidecar = await startOn(transport);
    return { sidecar, address: sidecar.address, settings: { PANNIER_GRPC_ADDRESS: sidecar.address } };
  }
  const path = join(mkdtempSync(join(tmpdir(), 'pannier-clients-')), 'grpc.sock');
  const settings = { PANNIER_GRPC_SOCKET: path };
  return { sidecar: await startOn(transport, settings), address: `unix:${path}`, settings };
}

interface Played {
  readonly output: string;
  readonly results: ReadonlyMap<string, CaseResult>;
  /** Log lines of level error or fatal. */
  readonly errors: readonly Record<string, unknown>[];
}

async function playAll(command: Command, transport: string, place: Place): Promise<Played> {
  const { sidecar, address } = await serve(transport, place);
  try {
    const client = await startClient(command, address, 'all');
    await client.end();
    return { output: client.output(), results: readResults(client.output()), errors: errorsOf(sidecar) };
  } finally {
    await sidecar.stop();
  }
}

async function startOn(transport: string, settings: Record<string, string> = {}): Promise<Sidecar> {
  return await startSidecar({
    PANNIER_CACHE_MAX_VALUE_BYTES: String(3 * 1024 * 1024),
    PANNIER_GRPC_TRANSPORT: transport,
    ...settings,
  });
}

function errorsOf(sidecar: Sidecar): Record<string, unknown>[] {
  return sidecar.logLines().filter((line) => line.level === 'error' || line.level === 'fatal');
}

interface RunningClient {
  output(): string;
  hasEnded(): boolean;
  kill(): void;
  /** Waits until the program has ended, and kills it after a timeout. */
  end(): Promise<void>;
}

async function startClient(command: Command, address: string, mode: string): Promise<RunningClient> {
  const program: BoundProcess = await spawnBound(command.program, [...command.args, address, descriptorSet, mode]);
  let text = '';
  let hasEnded = false;
  for (const stream of [program.stdout, program.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  void program.ended.then(() => {
    hasEnded = true;
  });
  function kill(): void {
    program.signal('SIGKILL');
  }
  return {
    output: () => text,
    hasEnded: () => hasEnded,
    kill,
    end: async () => {
      const timer = setTimeout(kill, RUN_TIMEOUT_MS - 20_000);
      await program.ended;
      clearTimeout(timer);
    },
  };
}

async function waitForLoad(client: RunningClient): Promise<void> {
  await waitFor('the load', () => client.output().includes(LOADED_LINE) || client.hasEnded(), 30_000);
}

function expectLoadPassed(client: RunningClient): void {
  expect(readResults(client.output()).get(LOAD_CASE) ?? client.output()).toEqual({ passed: true });
}
