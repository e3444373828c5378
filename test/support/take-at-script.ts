/**
 * take.lua at a time of the test: the production script but for the one line that reads the server's clock, whose place the last argument
 * takes (Unix time, ms).
 */
import { takeSource } from '../../src/rate-limit/redis-store.ts';
import { defineScript } from '../../src/redis/script.ts';

export const takeAtScript = defineScript(
  'rate-limit-take-at',
  takeSource('local nowMs = tonumber(table.remove(ARGV))'),
);
