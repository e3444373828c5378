/**
 * Chooses the cores of processes: the server under load gets one core, and the load generator and Redis get another
 * core. The CPU time of the server then does not include cache misses and waits that the load generator causes. If
 * there is only one core or no `taskset`, the kernel chooses the cores.
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

/** Returns the command that runs `command` on `core`. The process keeps its id, because taskset replaces itself with the program. */
export function pinned(core: number | undefined, command: string, args: readonly string[]): [string, string[]] {
  return core === undefined ? [command, [...args]] : ['taskset', ['-c', String(core), command, ...args]];
}

/** Returns the allowed cores. The kernel reports these cores in the form `0-1,4`. */
function allowedCores(): number[] {
  const text = /^Cpus_allowed_list:\s+(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  return text.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
