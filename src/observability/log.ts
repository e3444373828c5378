/**
 * The log: JSON lines on standard output, one object each, `time` and `level` as words.
 *
 * What may be logged is decided where it is logged: no session id, key, value, subject or password is ever handed to a logger, so that
 * nothing depends on redaction.
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
