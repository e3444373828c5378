/**
 * A server that let us in and that we refuse. That others can connect to its address says nothing about that.
 */
export class RefusedServerError extends Error {}

export class ReplicaError extends RefusedServerError {
  constructor() {
    super('cannot use the Redis server: it is a replica');
  }
}

/** A stranger at the address of a known node. */
export class ForeignServerError extends RefusedServerError {
  constructor() {
    super('cannot use the Redis server: it does not belong to the known deployment');
  }
}
