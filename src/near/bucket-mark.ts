/**
 * Defines the position of a bucket's sequence that a read, a write or a message reports.
 *
 * A number alone does not identify a change, because numbers repeat after a failover that lost writes. Each change also has
 * a random stamp, so (incarnation, number, stamp) is equal only for the same change.
 */
export interface BucketMark {
  /** Incarnation of the sequence, which is 8 random bytes as latin1 text, chosen when the sequence is created. */
  readonly incarnation: string;
  /** Number of the newest change; 0 if there was none. */
  readonly number: number;
  /**
   * Stamp of the change with this number (8 random bytes as latin1 text); empty if the ring has no entry for the
   * number.
   */
  readonly stamp: string;
}
