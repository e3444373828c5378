/**
 * Defines a mark, which is a position in a bucket's sequence. Reads, writes and messages report marks.
 *
 * A number alone does not identify a change, because numbers repeat after a failover that lost writes. Each change also
 * has a random stamp. So two marks have the same incarnation, number and stamp only if they refer to the same change.
 */
export interface BucketMark {
  /** Incarnation of the sequence, which is 8 random bytes as latin1 text, chosen when the sequence is created. */
  readonly incarnation: string;
  /** Number of the newest change; 0 if the bucket has not changed. */
  readonly number: number;
  /**
   * Stamp of the change with this number (8 random bytes as latin1 text); empty if the ring has no entry for the
   * number.
   */
  readonly stamp: string;
}
