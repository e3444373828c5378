/**
 * Errors of ours that say why a server cannot be used. Their texts are reasons, for logs and /readyz.
 */

export class UnusableServerError extends Error {}

/** A server that let us in and that we refuse. That others can connect to its address says nothing about that. */
export class RefusedServerError extends UnusableServerError {}

export class ReplicaError extends RefusedServerError {
  constructor() {
    super('it is a replica');
  }
}

/** Its CLUSTER command is renamed or unknown, and nothing shows that it is a standalone server. */
export class ClusterHiddenError extends RefusedServerError {
  constructor() {
    super('it refuses CLUSTER and does not report that it is standalone; permit CLUSTER SLOTS, INFO or ROLE');
  }
}

/** A Sentinel at the address of a server. */
export class SentinelError extends RefusedServerError {
  constructor() {
    super('it is a Sentinel; use a redis+sentinel:// URL with the name of the master');
  }
}

/** A stranger at the address of a known node. */
export class ForeignServerError extends RefusedServerError {
  constructor() {
    super('it does not belong to the known deployment');
  }
}
