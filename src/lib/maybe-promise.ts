/**
 * Defines the type of a value that is available now or later. Code that processes such a value with `after` does not
 * wait for a promise if the value is available now.
 */
export type MaybePromise<Value> = Value | Promise<Value>;

/** Returns whether the value is a promise. Does not use instanceof, because promises may come from another realm. */
export function isPromise<Value>(answer: MaybePromise<Value>): answer is Promise<Value> {
  return typeof answer === 'object' && answer !== null && typeof (answer as { then?: unknown }).then === 'function';
}

/**
 * Calls `next` with the value: immediately if it is available, or else once the promise resolves. If the promise
 * rejects, calls `failed` with the error.
 */
export function after<Value, Result>(
  answer: MaybePromise<Value>,
  next: (value: Value) => Result,
  failed?: (error: unknown) => Result,
): MaybePromise<Result> {
  return isPromise(answer) ? answer.then(next, failed) : next(answer);
}
