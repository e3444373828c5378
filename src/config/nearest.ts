/**
 * Suggests known words for a misspelled word, for error texts such as `did you mean "limit"?`.
 */

/** Minimum length of a prefix. A shorter prefix matches too many words. */
const MIN_PREFIX_CHARACTERS = 3;
/** Maximum difference in length between a word and its misspelling. */
const MAX_LENGTH_DIFFERENCE = 2;

/**
 * Returns the candidate with the smallest edit distance, or undefined if no candidate is similar enough to be a useful
 * suggestion.
 */
export function nearestOf(word: string, known: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  let nearestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < nearestDistance) {
      nearest = candidate;
      nearestDistance = distance;
    }
  }
  return nearest;
}

/**
 * Returns a suggestion in quotes, or undefined if no known word is similar. The suggestion is the first of these that
 * exists:
 *   1. the nearest candidate of about the same length;
 *   2. all candidates that begin with the word (`sliding_window` is the prefix of two algorithms);
 *   3. the nearest candidate of any length, or a candidate that is a prefix of the word (`per` for `period`).
 */
export function suggestionFor(word: string, known: readonly string[]): string | undefined {
  const typed = word.toLowerCase().replaceAll(/[- ]/g, '_');
  const nearest = nearestOf(typed, known);
  if (nearest !== undefined && Math.abs(nearest.length - typed.length) <= MAX_LENGTH_DIFFERENCE) {
    return JSON.stringify(nearest);
  }
  const longer = known.filter((candidate) => typed.length >= MIN_PREFIX_CHARACTERS && candidate.startsWith(typed));
  if (longer.length > 0) {
    return longer.map((candidate) => JSON.stringify(candidate)).join(' or ');
  }
  const last =
    nearest ?? known.find((candidate) => candidate.length >= MIN_PREFIX_CHARACTERS && typed.startsWith(candidate));
  return last === undefined ? undefined : JSON.stringify(last);
}

/** Computes the Levenshtein distance in quadratic time, which is fast enough for single words. */
function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= right.length; column += 1) {
      const substitution = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[right.length] ?? 0;
}
