/**
 * A logger that discards every line, for tests that do not read logs.
 */
import type { Logger } from '../../../src/lib/logger.ts';

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
