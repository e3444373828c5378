/**
 * Encodes the subject of a limit as a part of a Redis key, in clear text or as a hash.
 *
 * ```text
 * <subject>    clear text of up to 64 bytes that do not begin with h:
 * h:<hash>     hash of a subject that is longer or begins with h:
 * h:s:<hash>   SHA-256, if subjects must be hashed
 * h:k:<hash>   HMAC-SHA-256, if subjects must be hashed with a key
 * ```
 *
 * A hash is 22 characters of base64url (132 bits).
 *
 * Invariants:
 *   1. No two subjects share a name, and no name of one form equals a name of another form. Clear text never begins
 *      with `h:`, and no hash contains a colon.
 *   2. A name has at most 64 bytes, however long the subject is.
 *   3. The name of a hashed subject contains no part of it. If no secret key is used for the hash, anyone who guesses a
 *      subject can verify the guess.
 */
import { createHmac, createSecretKey, hash } from 'node:crypto';

const MAX_CLEAR_BYTES = 64;
const HASHED = 'h:';
const PLAIN = 'h:s:';
const KEYED = 'h:k:';
const HASH_CHARACTERS = 22;

/** Returns the clear text if possible, otherwise its hash. */
export function subjectName(subject: string): string {
  // A UTF-16 code unit takes at most 3 bytes in UTF-8, so most subjects need not be measured.
  const isShort = subject.length * 3 <= MAX_CLEAR_BYTES || Buffer.byteLength(subject) <= MAX_CLEAR_BYTES;
  return isShort && !subject.startsWith(HASHED) ? subject : `${HASHED}${plainHash(subject)}`;
}

/**
 * Returns a function that hashes subjects. The function needs 0.4 us per name without a secret key and 1.7 us with one.
 * Results are not cached, because a cache would keep the secret subjects in memory.
 */
export function createSubjectHash(key: Buffer | undefined): (subject: string) => string {
  if (key === undefined) {
    return (subject) => `${PLAIN}${plainHash(subject)}`;
  }
  // The key object is created once, because creating the object for each HMAC would make the HMAC ten times slower.
  const secret = createSecretKey(key);
  return (subject) => {
    const digest = createHmac('sha256', secret).update(subject).digest('base64url');
    return `${KEYED}${digest.slice(0, HASH_CHARACTERS)}`;
  };
}

function plainHash(subject: string): string {
  return hash('sha256', subject, 'base64url').slice(0, HASH_CHARACTERS);
}
