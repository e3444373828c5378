/**
 * Formats the errors of the policy file for the body of /readyz. This module is part of the composition root.
 *
 * Invariant: the result has at most 6 lines of at most 700 characters each.
 */
import type { PolicyFileProblems } from '../config/policy-file.ts';

const MAX_ERRORS = 5;
const MAX_ERROR_LENGTH = 680;

export function policyLines({ texts }: PolicyFileProblems): readonly string[] {
  const lines = texts.slice(0, MAX_ERRORS).map((text) => `policy file: ${text.slice(0, MAX_ERROR_LENGTH)}`);
  const restCount = texts.length - lines.length;
  return restCount > 0 ? [...lines, `policy file: ${restCount} more errors; see the log`] : lines;
}
