/**
 * The logger that modules receive: fields first, then a fixed message. pino implements it.
 *
 * Invariant: fields never contain a session id, a key, a value, a subject or a password.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
