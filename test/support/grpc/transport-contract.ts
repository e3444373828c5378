/**
 * Defines the contract suite, which runs for every transport, and the fixture that its parts share.
 */
import type { Transport, TransportLimits, TransportOptions } from '../../../src/grpc/transport/transport.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { connectRaw, type RawClient } from './raw-client.ts';
import { createTestMethods, type Notebook } from './test-methods.ts';
import { describeTransportBadInput } from './transport-bad-input.ts';
import { describeTransportCalls } from './transport-calls.ts';
import { describeTransportEnding, describeTransportListening } from './transport-lifecycle.ts';
import { describeTransportLimits } from './transport-limits.ts';
import { describeTransportStreams } from './transport-streams.ts';

export type StartTransport = (options: TransportOptions) => Promise<Transport>;

/**
 * Default deadline of unary calls. Tests that are not about deadlines never reach this deadline, even on a slow and
 * busy machine.
 */
export const DEFAULT_DEADLINE_MS = 90_000;

/** Transport with the test methods on a free port, and a client with one connection to it. */
export interface TransportFixture {
  readonly transport: Transport;
  readonly client: RawClient;
  readonly port: number;
  readonly notebook: Notebook;
  /** Errors that the transport logged. */
  readonly logged: { fields: Readonly<Record<string, unknown>>; text: string }[];
  close(): Promise<void>;
}

export async function openFixture(
  startTransport: StartTransport,
  options: { limits?: Partial<TransportLimits>; socketPath?: string } = {},
): Promise<TransportFixture> {
  const { table, notebook } = createTestMethods();
  const logged: TransportFixture['logged'] = [];
  const transport = await startTransport({
    table,
    listen: {
      tcp: { host: '127.0.0.1', port: 0 },
      ...(options.socketPath === undefined ? {} : { socketPath: options.socketPath }),
    },
    defaultDeadlineMs: DEFAULT_DEADLINE_MS,
    clock: systemClock,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    log: { error: (fields, text) => logged.push({ fields, text }) },
  });
  const port = Number(transport.tcpPort);
  const client = connectRaw(`127.0.0.1:${port}`);
  return {
    transport,
    client,
    port,
    notebook,
    logged,
    close: async () => {
      client.close();
      await transport.close();
    },
  };
}

export function describeTransport(name: string, startTransport: StartTransport): void {
  describe(`transport contract: ${name}`, () => {
    describeTransportCalls(startTransport);
    describeTransportBadInput(startTransport);
    describeTransportStreams(startTransport);
    describeTransportLimits(startTransport);
    describeTransportListening(startTransport);
    describeTransportEnding(startTransport);
  });
}
