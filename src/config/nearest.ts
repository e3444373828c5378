/**
 * The known words that a mistyped one most likely means, for error texts.
 */

/** Fewer characters are the beginning of too many words. */
const MIN_PREFIX_CHARACTERS = 3;
/** A word that differs by more is another word, or has more to it. */
const MAX_LENGTH_DIFFERENCE = 2;

/** Undefined when nothing is near: a suggestion that is far off confuses more than none. */
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
 * The text of a suggestion: the nearest word of about the same length, else all that begin with the word (`sliding_window` is two), else the one
 * whose beginning the word has (`period`: per).
 */
export function suggestionFor(word: string, known: readonly string[]): string | undefined {
  const asked = word.toLowerCase().replaceAll(/[- ]/g, '_');
  const nearest = nearestOf(asked, known);
  if (nearest !== undefined && Math.abs(nearest.length - asked.length) <= MAX_LENGTH_DIFFERENCE) {
    return nearest;
  }
  const longer = known.filter((candidate) => asked.length >= MIN_PREFIX_CHARACTERS && candidate.startsWith(asked));
  if (longer.length > 0) {
    return longer.join(' or ');
  }
  return nearest ?? known.find((candidate) => candidate.length >= MIN_PREFIX_CHARACTERS && asked.startsWith(candidate));
}

/** Levenshtein's distance; words here are short. */
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
