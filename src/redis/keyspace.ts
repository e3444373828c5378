/**
 * The names of all keys and channels: the one place that knows the layout.
 *
 * Unambiguous by construction: scope, policy and namespace may only hold [A-Za-z0-9._-], so the separators `|` and `:`
 * cannot occur in them; what a user chooses freely (subject, cache key, user, tag) always stands last. The braces are the
 * hash tag by which Redis Cluster chooses the slot; free text inside them may shorten the tag, never confuse two keys.
 */
import { isAscii } from 'node:buffer';
import { bucketOf } from '../lib/key-hash.ts';
import { createSubjectHash, subjectName } from './subject-name.ts';

/** Buckets of users. No call reads them together, so more of them only spread users more evenly over the masters of a Cluster. */
const USER_BUCKET_COUNT = 256;

export interface Keyspace {
  /**
   * One hash: all limits of a policy for a subject. `policy` is empty for limits that callers give inline. subject-name.ts has the forms in
   * which a subject is named.
   */
  rateLimit(scope: string, policy: string, subject: string): string;
  /** The same for a subject that must not stand in the key. */
  hashedRateLimit(scope: string, policy: string, subject: string): string;
  /** One hash: a session. `handle` is the hash of the selector. */
  session(handle: string): string;
  /** One hash: a user's generation and the list of handles. */
  user(userId: string): string;
  /** One string: the format of the data that the stores of a role keep (format-version.ts). */
  format(role: 'state' | 'cache'): string;
  /** One string: a value with its header. Text where the key is ASCII: a command of text is one write to the socket. */
  cacheEntry(namespace: string, bucket: number, key: Buffer): string | Buffer;
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

/** `subjectKey` keys the hashes of subjects. */
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
