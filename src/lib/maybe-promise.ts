/**
 * What is there now or comes later, and how to go on with it without making the one into the other: a synchronous answer stays
 * synchronous down to the socket.
 */
export type MaybePromise<Value> = Value | Promise<Value>;

/** Tells a promise from a value. Not by instanceof: promises may come from another realm. */
export function isPromise<Value>(answer: MaybePromise<Value>): answer is Promise<Value> {
  return typeof answer === 'object' && answer !== null && typeof (answer as { then?: unknown }).then === 'function';
}

/** Goes on with an answer, now where it is there and later where it is not; `failed` hears of a promise that rejects. */
export function after<Value, Result>(
  answer: MaybePromise<Value>,
  next: (value: Value) => Result,
  failed?: (error: unknown) => Result,
): MaybePromise<Result> {
  return isPromise(answer) ? answer.then(next, failed) : next(answer);
}
