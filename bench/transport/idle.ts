/**
 * Measures the memory of an idle sidecar with each transport. The sidecar uses the memory store and receives no calls.
 */
import { anonymousMegabytes, median, residentMegabytes } from '../process-stats.ts';
import { type BenchServer, startSidecar } from '../servers.ts';

const IDLE_MS = 3_000;
const STARTS = 3;

export interface Memory {
  readonly residentMb: number;
  readonly anonymousMb: number;
}

export interface IdleMemory {
  /** Sidecar with the built-in HTTP/2 server, which does not load grpc-js. */
  readonly http2: Memory;
  readonly grpcJs: Memory;
}

/** Starts both sidecars several times, and returns the medians of their memory. */
export async function measureIdleMemory(): Promise<IdleMemory> {
  const http2: Memory[] = [];
  const grpcJs: Memory[] = [];
  for (let start = 0; start < STARTS; start += 1) {
    const sidecars = [
      await startSidecar({ PANNIER_GRPC_TRANSPORT: 'http2' }),
      await startSidecar({ PANNIER_GRPC_TRANSPORT: 'grpc-js' }),
    ] as const;
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    http2.push(memoryOf(sidecars[0]));
    grpcJs.push(memoryOf(sidecars[1]));
    await Promise.all(sidecars.map((sidecar) => sidecar.stop()));
  }
  return { http2: medianOf(http2), grpcJs: medianOf(grpcJs) };
}

function memoryOf(server: BenchServer): Memory {
  return { residentMb: residentMegabytes(server.pid), anonymousMb: anonymousMegabytes(server.pid) };
}

function medianOf(memories: readonly Memory[]): Memory {
  return {
    residentMb: median(memories.map((memory) => memory.residentMb)),
    anonymousMb: median(memories.map((memory) => memory.anonymousMb)),
  };
}
