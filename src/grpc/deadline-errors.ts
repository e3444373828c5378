/**
 * The errors of calls whose deadline is over. Every DEADLINE_EXCEEDED of ours is made here, but for those of stores (error-status.ts).
 *
 * Invariant: the text says whether the call may have had an effect; docs/reference/errors.md lists both texts, and the test compares them.
 */
import { Status, StatusError } from './status.ts';

/** No handler and no store has begun with the call. */
export function deadlineOverBeforeStart(action = 'answer in time'): StatusError {
  const text = `cannot ${action}: the deadline was over before anything was done`;
  return new StatusError(Status.DEADLINE_EXCEEDED, text);
}

/** The handler has begun and not answered. */
export function deadlineOverInHandler(): StatusError {
  const text = 'cannot answer in time: the deadline runs out, it may have happened';
  return new StatusError(Status.DEADLINE_EXCEEDED, text);
}
