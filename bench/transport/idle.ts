/**
 * Resident memory of a sidecar that does nothing, with either transport: memory store, no call, some seconds after its start.
 */
import { median, residentMegabytes } from '../process-stats.ts';
import { startSidecar } from '../servers.ts';

const IDLE_MS = 3_000;
const STARTS = 3;

export interface IdleMemory {
  /** The sidecar on our transport: grpc-js is not loaded. */
  readonly http2Mb: number;
  readonly grpcJsMb: number;
}

export async function measureIdleMemory(): Promise<IdleMemory> {
  const http2Mb: number[] = [];
  const grpcJsMb: number[] = [];
  for (let start = 0; start < STARTS; start += 1) {
    const http2 = await startSidecar({ PANNIER_TRANSPORT: 'http2' });
    const grpcJs = await startSidecar({ PANNIER_TRANSPORT: 'grpc-js' });
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    http2Mb.push(residentMegabytes(http2.pid));
    grpcJsMb.push(residentMegabytes(grpcJs.pid));
    await Promise.all([http2.stop(), grpcJs.stop()]);
  }
  return { http2Mb: median(http2Mb), grpcJsMb: median(grpcJsMb) };
}
