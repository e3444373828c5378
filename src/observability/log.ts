/**
 * Creates the logger: JSON lines on standard output, with `level` as a word and `time` in ISO 8601.
 *
 * The logger does not redact anything. Callers must never pass a session id, key, value, subject or password.
 */
import { type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';
import type { Logger } from '../lib/logger.ts';
import { standardOutput } from './log-output.ts';

export function createLog(level: string): Logger {
  const options = {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const log: PinoLogger = pino(options, standardOutput());
  return log;
}
