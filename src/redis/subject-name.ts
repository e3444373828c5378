/**
 * How a key of limits names its subject: in clear, or by a hash.
 *
 *   <subject>           in clear: up to 64 bytes that do not begin with `h:`
 *   h:<hash>            the subject is longer, or begins with `h:`
 *   h:s:<hash>          subjects are to be hashed: SHA-256
 *   h:k:<hash>          the same with a key: HMAC-SHA-256
 *
 * A hash is 22 characters of base64url, 132 bits.
 *
 * Invariants:
 *   1. No two subjects share a name, and no name of one form is a name of another: what is in clear never begins with `h:`, and no hash has
 *      a colon.
 *   2. A name is short, however long the subject is.
 *   3. The name of a hashed subject holds no part of it. Without a key, whoever guesses a subject can verify it.
 */
import { createHmac, createSecretKey, hash } from 'node:crypto';

const MAX_CLEAR_BYTES = 64;
const HASHED = 'h:';
const PLAIN = 'h:s:';
const KEYED = 'h:k:';
const HASH_CHARACTERS = 22;

/** The form in clear where it can be. */
export function subjectName(subject: string): string {
  // A character has at most 3 bytes in UTF-8 (those of 4 bytes are two), so that most subjects need not be measured.
  const isShort = subject.length * 3 <= MAX_CLEAR_BYTES || Buffer.byteLength(subject) <= MAX_CLEAR_BYTES;
  return isShort && !subject.startsWith(HASHED) ? subject : `${HASHED}${plainHash(subject)}`;
}

/** The form of hashed subjects: 0.4 us per name without a key, 1.7 us with one. A cache of them would hold what is to be kept secret. */
export function createSubjectHash(key: Buffer | undefined): (subject: string) => string {
  if (key === undefined) {
    return (subject) => `${PLAIN}${plainHash(subject)}`;
  }
  // Made once: from bytes, each HMAC would take ten times as long.
  const secret = createSecretKey(key);
  return (subject) => {
    const digest = createHmac('sha256', secret).update(subject).digest('base64url');
    return `${KEYED}${digest.slice(0, HASH_CHARACTERS)}`;
  };
}

function plainHash(subject: string): string {
  return hash('sha256', subject, 'base64url').slice(0, HASH_CHARACTERS);
}
