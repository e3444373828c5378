/**
 * Tells a promise from a value, so that what is synchronous can stay so. Not by instanceof: promises may come from another realm.
 */
export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
