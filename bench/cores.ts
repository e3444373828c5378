/**
 * Which core runs what: a server under load gets one for itself, the load (and Redis) another, so that the one is not charged
 * for the cache and the waits of the other. Where there is one core, or no `taskset`, nothing is pinned.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface Cores {
  readonly server: number | undefined;
  readonly load: number | undefined;
}

export function chooseCores(): Cores {
  const [server, load] = allowedCores();
  const canPin = spawnSync('taskset', ['-c', String(server ?? 0), 'true']).status === 0;
  return canPin && load !== undefined ? { server, load } : { server: undefined, load: undefined };
}

/** The command that runs `command` on `core`; the process keeps its id, since taskset becomes the program. */
export function pinned(core: number | undefined, command: string, args: readonly string[]): [string, string[]] {
  return core === undefined ? [command, [...args]] : ['taskset', ['-c', String(core), command, ...args]];
}

/** `0-1,4` in the kernel's words. */
function allowedCores(): number[] {
  const text = /^Cpus_allowed_list:\s+(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  return text.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
