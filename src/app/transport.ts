/**
 * Starts the transport that the settings select. This module does not load the other transport, because loading it
 * would use memory.
 */
import type { ListenAddress, Settings } from '../config/load.ts';
import type { Transport, TransportOptions } from '../grpc/transport/transport.ts';
import { localText } from './local-text.ts';

export type TransportParts = Pick<TransportOptions, 'table' | 'clock' | 'log' | 'onConnectionDropped'>;

export async function openTransport(settings: Settings, parts: TransportParts): Promise<Transport> {
  const options: TransportOptions = {
    ...parts,
    listen: {
      ...(settings.grpcAddress === undefined ? {} : { tcp: settings.grpcAddress }),
      ...(settings.grpcSocket === undefined
        ? {}
        : { socketPath: settings.grpcSocket, socketMode: settings.grpcSocketMode }),
    },
    defaultDeadlineMs: settings.defaultDeadlineMs,
    adminUrl: settings.adminAddress === undefined ? undefined : adminUrl(settings.adminAddress),
    limits: {
      maxConnectionAgeMs: settings.maxGrpcConnectionAgeMs,
      maxConnectionIdleMs: settings.maxGrpcConnectionIdleMs,
    },
  };
  const names = [
    ...(settings.grpcAddress === undefined ? [] : ['PANNIER_GRPC_ADDRESS']),
    ...(settings.grpcSocket === undefined ? [] : ['PANNIER_GRPC_SOCKET']),
  ];
  return await withSettingName(names.join(', '), startTransport(settings, options));
}

async function startTransport(settings: Settings, options: TransportOptions): Promise<Transport> {
  if (settings.grpcTransport === 'grpc-js') {
    const { startGrpcJsTransport } = await import('../grpc/grpc-js/grpc-js-transport.ts');
    return await startGrpcJsTransport(options);
  }
  const { startHttp2Transport } = await import('../grpc/http2/http2-transport.ts');
  const { limitsWithin } = await import('../grpc/http2/limits/http2-limits.ts');
  const limits = { ...options.limits, ...limitsWithin(process.constrainedMemory()) };
  return await startHttp2Transport({ ...options, limits });
}

/** Appends the name of the setting to an error, so that an operator knows what to change. */
export async function withSettingName<Value>(setting: string, opened: Promise<Value>): Promise<Value> {
  try {
    return await opened;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new Error(`${text} (${setting})`, { cause: error });
  }
}

function adminUrl({ host, port }: ListenAddress): string {
  return `http://${localText(host, port)}`;
}
