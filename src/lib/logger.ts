/**
 * Defines the logger that modules receive. A call passes the fields first and then a fixed message. The pino library
 * implements this interface.
 *
 * Invariant: fields never contain a session id, a key, a value, a subject or a password.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
