/**
 * What a module needs of a logger: fields first, then a fixed text. pino is one.
 *
 * Fields never hold a session id, a key, a value, a subject or a password.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
