/**
 * What all connections of a transport hold together: many peers that each stay below their own bound are bounded too.
 */
export interface SharedBudget {
  /** Bytes of unfinished requests. */
  heldBytes: number;
  /** Bytes of answers that peers have not taken: in our queues and in their sockets. */
  waitingBytes: number;
}
