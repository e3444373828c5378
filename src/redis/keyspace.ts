/**
 * The names of all keys and channels: the one place that knows the layout.
 *
 * Unambiguous by construction: scope, policy and namespace may only hold [A-Za-z0-9._-], so the separators `|` and `:`
 * cannot occur in them; what a user chooses freely (subject, cache key, user, tag) always stands last. The braces are the
 * hash tag by which Redis Cluster chooses the slot; free text inside them may shorten the tag, never confuse two keys.
 */
import { createHash } from 'node:crypto';

/** Buckets of a cache namespace, of its tags, and of users. A bucket is one slot of a cluster and one channel. */
export const BUCKET_COUNT = 256;

export interface Keyspace {
  /**
   * One hash: all limits of a policy for a subject. `policy` is empty for limits that callers give inline. A long subject is named by its
   * hash (subjectName).
   */
  rateLimit(scope: string, policy: string, subject: string): string;
  /** One hash: a session. `handle` is the hash of the selector. */
  session(handle: string): string;
  /** One hash: a user's generation and the list of handles. */
  user(userId: string): string;
  /** One string: the format of the data that the stores of a role keep (format-version.ts). */
  format(role: 'state' | 'cache'): string;
  /** One string: a value with its header. */
  cacheEntry(namespace: string, bucket: number, key: Buffer): Buffer;
  /** One hash: incarnation, sequence and flush mark of a bucket. */
  cacheSequence(namespace: string, bucket: number): string;
  /** The channel on which a bucket's invalidations are published; in the bucket's own slot. */
  cacheChannel(namespace: string, bucket: number): string;
  /** One string: a tag's version. */
  cacheTag(namespace: string, tag: string): string;
  /** One hash: incarnation and sequence of a tag bucket. */
  cacheTagSequence(namespace: string, bucket: number): string;
  /** The channel of the tags of a tag bucket; in the slot of its tags. */
  cacheTagChannel(namespace: string, bucket: number): string;
}

export function createKeyspace(prefix: string): Keyspace {
  return {
    rateLimit: (scope, policy, subject) => `${prefix}rl:{${scope}|${policy}|${subjectName(subject)}}`,
    session: (handle) => `${prefix}session:{${handle}}`,
    user: (userId) => `${prefix}user:{u${bucketOf(userId)}}:${userId}`,
    format: (role) => `${prefix}format:{${role}}`,
    cacheEntry: (namespace, bucket, key) =>
      Buffer.concat([Buffer.from(`${prefix}cache:{${namespace}:${bucket}}:`), key]),
    cacheSequence: (namespace, bucket) => `${prefix}cache-seq:{${namespace}:${bucket}}`,
    cacheChannel: (namespace, bucket) => `${prefix}cache-inv:{${namespace}:${bucket}}`,
    cacheTag: (namespace, tag) => `${prefix}cache-tag:{${namespace}:t${bucketOf(tag)}}:${tag}`,
    cacheTagSequence: (namespace, bucket) => `${prefix}cache-seq:{${namespace}:t${bucket}}`,
    cacheTagChannel: (namespace, bucket) => `${prefix}cache-inv:{${namespace}:t${bucket}}`,
  };
}

const MAX_SUBJECT_BYTES = 64;
const HASHED = 'h:';
const HASH_CHARACTERS = 22;

/**
 * The subject itself, or, for one that is longer than 64 bytes or begins with `h:`, `h:` and 22 characters of its SHA-256 (132 bits): keys
 * stay short, and no short subject can have the name of a long one.
 */
function subjectName(subject: string): string {
  // A character has at most 3 bytes in UTF-8 (those of 4 bytes are two), so that most subjects need not be measured.
  const isShort = subject.length * 3 <= MAX_SUBJECT_BYTES || Buffer.byteLength(subject) <= MAX_SUBJECT_BYTES;
  if (isShort && !subject.startsWith(HASHED)) {
    return subject;
  }
  return `${HASHED}${createHash('sha256').update(subject).digest('base64url').slice(0, HASH_CHARACTERS)}`;
}

/** The bucket of a user, a tag or a cache key: the first byte of its SHA-1, so equal in every sidecar and language. */
export function bucketOf(text: string | Buffer): number {
  return createHash('sha1').update(text).digest()[0] ?? 0;
}
