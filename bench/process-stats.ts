/**
 * Reads the CPU time and the memory of a process from /proc (Linux).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Clock ticks per second in /proc/PID/stat, which is 100 on every Linux that Node supports. */
const CLOCK_TICKS_PER_SECOND = 100;

/**
 * Returns the CPU time that all threads have used so far, in microseconds. Adds up the times in /proc/PID/task/TID/schedstat. If the kernel does not
 * provide this file, reads the user and system time in /proc/PID/stat, which has steps of 10 ms.
 */
export function cpuMicroseconds(pid: number): number {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const nanoseconds = threads.map((thread) =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
    );
    return nanoseconds.reduce((sum, value) => sum + value, 0) / 1_000;
  } catch {
    return ticksOf(pid) * (1_000_000 / CLOCK_TICKS_PER_SECOND);
  }
}

function ticksOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is the name of the program in parentheses, which can contain spaces.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

export function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}/status`);
}

/** Returns the resident memory in MB (1,000,000 bytes). */
export function residentMegabytes(pid: number): number {
  return statusMegabytes(pid, 'VmRSS');
}

/** Returns the anonymous memory in MB. No file backs this memory, so processes of the same program do not share it. */
export function anonymousMegabytes(pid: number): number {
  return statusMegabytes(pid, 'RssAnon');
}

function statusMegabytes(pid: number, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return (Number(match?.[1] ?? 0) * 1024) / 1_000_000;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
