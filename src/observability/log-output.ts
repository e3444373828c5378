/**
 * Where log lines go: standard output, without ever waiting for whoever reads it.
 *
 * A pipe that nobody empties (a container runtime that hangs) would hold up the whole process in a write, calls and signals among it, and so
 * would a full disk with a library that repeats the write. So the output is opened anew without blocking, which leaves alone what other
 * processes do with the same pipe, and what it does not take is dropped.
 *
 * Promises: `write` neither waits nor throws; lines keep their order and are whole; once the output takes lines again, one of them says how many
 * were dropped.
 */
import { constants, fstatSync, openSync, writeSync } from 'node:fs';

/** Gives back how many bytes were taken; throws what the system answers. */
export type WriteBytes = (bytes: Buffer) => number;

const STANDARD_OUTPUT = 1;

export class LogOutput {
  readonly #writeBytes: WriteBytes;
  /** The end of a line whose beginning was taken. */
  #rest: Buffer | undefined;
  #dropped = 0;

  constructor(writeBytes: WriteBytes) {
    this.#writeBytes = writeBytes;
  }

  write(line: string): void {
    if (this.#rest !== undefined) {
      this.#rest = without(this.#rest, this.#taken(this.#rest));
    }
    if (this.#dropped > 0 && this.#begin(droppedLine(this.#dropped))) {
      this.#dropped = 0;
    }
    if (this.#dropped > 0 || !this.#begin(line)) {
      this.#dropped += 1;
    }
  }

  /** Whether the line was taken, be it in part: then its end comes before anything else. */
  #begin(line: string): boolean {
    if (this.#rest !== undefined) {
      return false;
    }
    const bytes = Buffer.from(line);
    const taken = this.#taken(bytes);
    if (taken === 0) {
      return false;
    }
    this.#rest = without(bytes, taken);
    return true;
  }

  #taken(bytes: Buffer): number {
    try {
      return this.#writeBytes(bytes);
    } catch {
      // Full (EAGAIN, ENOSPC) or nobody there (EPIPE): there is nowhere to say it.
      return 0;
    }
  }
}

/** What is left after the first `taken` bytes; undefined: nothing. */
function without(bytes: Buffer, taken: number): Buffer | undefined {
  return taken < bytes.length ? bytes.subarray(taken) : undefined;
}

export function standardOutput(): LogOutput {
  const fd = openWithoutBlocking();
  return new LogOutput((bytes) => writeSync(fd, bytes));
}

/**
 * A pipe or terminal, that is. Anything else is used as it is: a file holds nobody up, and shares its place in it with standard error; a
 * socket cannot be opened anew, and neither can anything without /proc.
 */
function openWithoutBlocking(): number {
  try {
    const kind = fstatSync(STANDARD_OUTPUT);
    if (!kind.isFIFO() && !kind.isCharacterDevice()) {
      return STANDARD_OUTPUT;
    }
    return openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return STANDARD_OUTPUT;
  }
}

function droppedLine(lines: number): string {
  const time = new Date().toISOString();
  return `${JSON.stringify({ level: 'warn', time, lines, msg: 'log lines were dropped, nobody took them' })}\n`;
}
