/**
 * Builds the names of all keys and channels. No other module depends on the layout of these names.
 *
 * Names are unambiguous. Scope, policy and namespace contain only [A-Za-z0-9._-], so the separators `|` and `:` cannot
 * occur in them. Free text (subject, cache key, user, tag) always comes last. The braces are the hash tag by which
 * Redis Cluster chooses the slot. Braces in free text may shorten the hash tag, but never make two keys equal.
 */
import { isAscii } from 'node:buffer';
import { bucketOf } from '../lib/key-hash.ts';
import { createSubjectHash, subjectName } from './subject-name.ts';

/**
 * Number of buckets over which users are distributed. Each call reads the key of only one user, so the only effect of
 * more buckets is a more even distribution of the users over the masters of a Cluster.
 */
const USER_BUCKET_COUNT = 256;

export interface Keyspace {
  /**
   * Returns the key of a hash that stores the state of all limits of a policy for a subject. `policy` is empty for
   * inline limits. subject-name.ts defines the forms of a subject in a key.
   */
  rateLimit(scope: string, policy: string, subject: string): string;
  /** Returns the same kind of key, but the key contains only a hash of the subject and not the subject itself. */
  hashedRateLimit(scope: string, policy: string, subject: string): string;
  /** Returns the key of a hash that stores a session. `handle` is the public id of the session. */
  session(handle: string): string;
  /** Returns the key of a hash that stores the generation of a user and the list of the user's session handles. */
  user(userId: string): string;
  /** Returns the key of a string that stores the format of a role's data (format-version.ts). */
  format(role: 'state' | 'cache'): string;
  /**
   * Returns the key of a string that stores a cached value and its header. An ASCII key is returned as a string,
   * because a command without Buffers needs only one socket write.
   */
  cacheEntry(namespace: string, bucket: number, key: Buffer): string | Buffer;
  /** Returns the key of a hash that stores the incarnation, the sequence and the flush mark of a bucket. */
  cacheSequence(namespace: string, bucket: number): string;
  /**
   * Returns the name of the channel for invalidations of a bucket. The channel is in the same slot as the keys of the
   * bucket.
   */
  cacheChannel(namespace: string, bucket: number): string;
  /** Returns the key of a string that stores a tag's version. */
  cacheTag(namespace: string, tag: string): string;
  /** Returns the key of a hash that stores the incarnation and the sequence of a tag bucket. */
  cacheTagSequence(namespace: string, bucket: number): string;
  /** Returns the name of the channel for a tag bucket. The channel is in the same slot as the keys of the tags. */
  cacheTagChannel(namespace: string, bucket: number): string;
}

/** Creates the keyspace for a key prefix. `subjectKey` is the secret key for the hashes of subjects. */
export function createKeyspace(prefix: string, subjectKey?: Buffer): Keyspace {
  const hashSubject = createSubjectHash(subjectKey);
  return {
    rateLimit: (scope, policy, subject) => `${prefix}rl:{${scope}|${policy}|${subjectName(subject)}}`,
    hashedRateLimit: (scope, policy, subject) => `${prefix}rl:{${scope}|${policy}|${hashSubject(subject)}}`,
    session: (handle) => `${prefix}session:{${handle}}`,
    format: (role) => `${prefix}format:{${role}}`,
    user: (userId) => `${prefix}user:{u${bucketOf(userId, USER_BUCKET_COUNT)}}:${userId}`,
    cacheEntry: (namespace, bucket, key) => {
      const start = `${prefix}cache:{${namespace}:${bucket}}:`;
      return isAscii(key) ? start + key.toString('latin1') : Buffer.concat([Buffer.from(start), key]);
    },
    cacheSequence: (namespace, bucket) => `${prefix}cache-seq:{${namespace}:${bucket}}`,
    cacheChannel: (namespace, bucket) => `${prefix}cache-inv:{${namespace}:${bucket}}`,
    cacheTag: (namespace, tag) => `${prefix}cache-tag:{${namespace}:t${bucketOf(tag)}}:${tag}`,
    cacheTagSequence: (namespace, bucket) => `${prefix}cache-seq:{${namespace}:t${bucket}}`,
    cacheTagChannel: (namespace, bucket) => `${prefix}cache-inv:{${namespace}:t${bucket}}`,
  };
}
