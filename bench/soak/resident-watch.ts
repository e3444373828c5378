/**
 * Samples the resident memory of a process, and returns the maximum of each half of a phase.
 */
import { isRunning, residentMegabytes } from '../process-stats.ts';

const SAMPLE_MS = 200;

export interface PhaseMemory {
  readonly name: string;
  readonly maxFirstHalfMb: number;
  readonly maxSecondHalfMb: number;
}

export class ResidentWatch {
  readonly #pid: number;
  readonly #timer: NodeJS.Timeout;
  #samples: number[] = [];
  #maxMb = 0;

  constructor(pid: number) {
    this.#pid = pid;
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  /** Maximum resident memory in all phases, in MB. */
  get maxMb(): number {
    return this.#maxMb;
  }

  get mbNow(): number {
    return this.#samples.at(-1) ?? 0;
  }

  /** Ends the current phase and starts the next one. Returns the memory of the phase that ended. */
  endPhase(name: string): PhaseMemory {
    this.#sample();
    const half = Math.floor(this.#samples.length / 2);
    const phase = {
      name,
      maxFirstHalfMb: largest(this.#samples.slice(0, Math.max(1, half))),
      maxSecondHalfMb: largest(this.#samples.slice(half)),
    };
    this.#samples = [];
    return phase;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    const mb = isRunning(this.#pid) ? residentMegabytes(this.#pid) : 0;
    this.#samples.push(mb);
    this.#maxMb = Math.max(this.#maxMb, mb);
  }
}

function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), 0);
}
