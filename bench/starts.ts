/**
 * Measures the start time and the idle memory of servers and of a baseline in the same run. The servers start alternately, so that other load on
 * the machine affects all of them alike.
 */
import { anonymousMegabytes, median, residentMegabytes } from './process-stats.ts';
import type { BenchServer } from './servers.ts';

export interface Candidate {
  readonly name: string;
  start(): Promise<BenchServer>;
  /** Sends the first call of a new client. */
  call(server: BenchServer): Promise<unknown>;
}

export interface Starts {
  readonly name: string;
  /** Medians of all starts. */
  readonly readyMs: number;
  readonly answeredMs: number;
  readonly anonymousMb: number;
  readonly residentMb: number;
}

/** Time between the first call and the measurement of memory, in ms. */
const IDLE_MS = 3_000;

export async function measureStarts(candidates: readonly Candidate[], starts: number): Promise<Starts[]> {
  const measured = candidates.map((candidate) => ({ candidate, single: [] as Starts[] }));
  for (let start = 0; start < starts; start += 1) {
    for (const { candidate, single } of measured) {
      single.push(await measureStart(candidate));
    }
  }
  return measured.map(({ candidate, single }) => ({
    name: candidate.name,
    readyMs: median(single.map(({ readyMs }) => readyMs)),
    answeredMs: median(single.map(({ answeredMs }) => answeredMs)),
    anonymousMb: median(single.map(({ anonymousMb }) => anonymousMb)),
    residentMb: median(single.map(({ residentMb }) => residentMb)),
  }));
}

async function measureStart(candidate: Candidate): Promise<Starts> {
  const startMs = performance.now();
  const server = await candidate.start();
  await candidate.call(server);
  const answeredMs = performance.now() - startMs;
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const starts: Starts = {
    name: candidate.name,
    readyMs: server.readyMs,
    answeredMs,
    anonymousMb: anonymousMegabytes(server.pid),
    residentMb: residentMegabytes(server.pid),
  };
  await server.stop();
  return starts;
}
