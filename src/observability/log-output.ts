/**
 * Writes log lines to standard output without ever blocking.
 *
 * If the reader of a pipe (such as the container runtime) hangs, a blocking write would stop the whole process. A full
 * disk would also stop the process if a library retried the write. This module therefore reopens the output in
 * non-blocking mode and drops lines that the output does not accept. Reopening does not change the mode of the pipe for
 * other processes.
 *
 * Invariants:
 *   1. `write` neither blocks nor throws.
 *   2. Lines keep their order, and no line is cut.
 *   3. Once the output accepts lines again, a log line reports how many lines were dropped.
 */
import { constants, fstatSync, openSync, writeSync } from 'node:fs';

/** Returns the number of bytes written. Throws the error of the system call. */
export type WriteBytes = (bytes: Buffer) => number;

const STANDARD_OUTPUT = 1;

export class LogOutput {
  readonly #writeBytes: WriteBytes;
  /** Bytes of a partly written line that the output has not accepted yet. */
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

  /**
   * Returns true if the output has accepted at least a part of the line. The output then writes the remaining bytes of
   * the line before any other line.
   */
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
      // The output is full (EAGAIN, ENOSPC) or closed (EPIPE), so the module cannot log the error.
      return 0;
    }
  }
}

/** Returns the bytes after the first `taken`, or undefined if there are none. */
function without(bytes: Buffer, taken: number): Buffer | undefined {
  return taken < bytes.length ? bytes.subarray(taken) : undefined;
}

export function standardOutput(): LogOutput {
  const fd = openWithoutBlocking();
  return new LogOutput((bytes) => writeSync(fd, bytes));
}

/**
 * Reopens a pipe or terminal in non-blocking mode, and uses any other output as it is. Writes to a file do not block,
 * and the file must share its offset with standard error. The system cannot reopen a socket. Without /proc, no output
 * can be reopened.
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
  return `${JSON.stringify({ level: 'warn', time, lines, msg: 'log lines dropped: output blocked' })}\n`;
}
