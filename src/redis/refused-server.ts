/**
 * Defines errors that state why a server cannot be used. The messages of these errors appear as reasons in logs and in
 * /readyz.
 */

export class UnusableServerError extends Error {}

/**
 * Error for a server that accepted our login but must not be used. Another successful connection to the address does
 * not make the server usable.
 */
export class RefusedServerError extends UnusableServerError {}

export class ReplicaError extends RefusedServerError {
  constructor() {
    super('the server is a replica');
  }
}

/** Error for a server that refuses CLUSTER without a known reason and does not report that it is standalone. */
export class ClusterHiddenError extends RefusedServerError {
  constructor() {
    super('the server refuses CLUSTER and does not report that it is standalone; permit CLUSTER SLOTS, INFO or ROLE');
  }
}

/** Error for a Sentinel at the address of a server. */
export class SentinelError extends RefusedServerError {
  constructor() {
    super('the server is a Sentinel; use a redis+sentinel:// URL with the name of the master');
  }
}

/** Error for a server of another deployment at the address of a known node. */
export class ForeignServerError extends RefusedServerError {
  constructor() {
    super('the server does not belong to the known deployment');
  }
}
