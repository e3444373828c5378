/**
 * Creates the errors of calls whose deadline has passed.
 *
 *   1. This module creates every DEADLINE_EXCEEDED status, except those for store errors (error-status.ts).
 *   2. The status message states whether the call may have been executed. docs/reference/errors.md lists both messages.
 */
import { Status, StatusError } from './status.ts';

/** Returns the error of a call that no handler or store has started to execute. */
export function deadlineOverBeforeStart(action = 'answer in time'): StatusError {
  const text = `cannot ${action}: the deadline passed before the call was executed`;
  return new StatusError(Status.DEADLINE_EXCEEDED, text);
}

/** Returns the error of a call whose handler has started but not finished. */
export function deadlineOverInHandler(): StatusError {
  const text = 'cannot answer in time: the handler did not finish before the deadline; the call may have been executed';
  return new StatusError(Status.DEADLINE_EXCEEDED, text);
}
