/**
 * The position of a bucket's sequence, as one read, one write or one message saw it.
 *
 * A number alone proves nothing: after a failover that lost writes the same numbers come again. The stamp is made at random by the write that
 * took the number, so (incarnation, number, stamp) is equal only for the same change.
 */
export interface BucketMark {
  /** latin1 text of 8 random bytes, given when the sequence is created; only compared. */
  readonly incarnation: string;
  /** Number of the newest change; 0 if there was none. */
  readonly number: number;
  /** latin1 text of the 8 random bytes that the change with this number left in the ring; empty if the ring has no entry for it. */
  readonly stamp: string;
}
