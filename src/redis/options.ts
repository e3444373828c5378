/**
 * Defines the options of the Redis connections, and the interfaces through which the connections report events.
 */
import type { LookupFunction } from 'node:net';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { TimerWheel } from '../lib/timer-wheel.ts';
import type { CredentialsSource, NodeAddress } from './address.ts';
import type { AddressMap } from './address-map.ts';
import type { RedisReply } from './commands.ts';
import type { PermissionArea } from './permissions.ts';
import type { RefusalLog } from './refusal-log.ts';
import type { TlsFilesSource } from './tls.ts';

/** Counters of one deployment. `node` is host:port. `code` is an error code of Redis or of this module. */
export interface RedisMetrics {
  roundTrip(node: string, durationMs: number): void;
  commandError(node: string, code: string): void;
  reconnected(node: string): void;
  connectionLost(node: string, reason: string): void;
  /** Counts a damaged value that is being removed; `code` is WRONGTYPE or DAMAGED. */
  valueDamaged(code: string): void;
}

/** Credentials, TLS settings and limits of a connection. */
export interface RedisAccess {
  readonly credentials: CredentialsSource;
  readonly isTls: boolean;
  /** Source of the TLS files. If unset, connections use the default CAs of Node and no client certificate. */
  readonly tlsFiles?: TlsFilesSource;
  /**
   * Name that server certificates must contain. This name is also sent as SNI. If unset, the host of the address is
   * used.
   */
  readonly tlsServerName?: string | undefined;
  /** Map from the addresses that nodes announce to the addresses at which this process can reach the nodes. */
  readonly addressMap?: AddressMap;
  readonly connectTimeoutMs: number;
  /** Maximum number of commands in flight on one connection. Further commands are rejected. */
  readonly maxQueue: number;
  /** Resolver of host names. If unset, the resolver of the system is used. */
  readonly lookup?: LookupFunction;
  /** Guard that decides which servers may be used. If unset, every server that accepts the login may be used. */
  readonly guard?: ConnectionGuard;
}

export interface ConnectionGuard {
  /**
   * Verifies a server before its first command. Rejects if the server must not be used, for example because it is a
   * replica or belongs to another deployment. Resolves to the monotonic time of the role query if the server answered
   * as a standalone master.
   */
  verify(address: NodeAddress, send: (command: readonly string[]) => Promise<RedisReply>): Promise<number | undefined>;
  /** Registers an open connection. Returns a function to call when the connection is lost or closed. */
  opened(connection: OpenConnection): () => void;
}

export interface OpenConnection {
  /** IP addresses to which the host name resolved; empty if the host is an IP address. */
  readonly resolvedTo: readonly string[];
  /** Drops the connection as if it had been lost. */
  drop(reason: string): void;
}

/** Values that determine which permissions are probed. */
export interface PermissionOptions {
  readonly area: PermissionArea;
  /** Prefix of all keys and channels. */
  readonly prefix: string;
}

export interface SentinelOptions {
  /** Name under which the Sentinels monitor the master. */
  readonly masterName: string;
  /** Login of the Sentinels, which is separate from the login of the servers. */
  readonly credentials: CredentialsSource;
}

export interface RedisOptions extends RedisAccess {
  /** Role of the deployment, `state` or `cache`, for logs. */
  readonly role: string;
  /** Addresses of the seed servers, or of the Sentinels if the deployment has any. */
  readonly seeds: readonly NodeAddress[];
  /** Sentinel settings. If unset, the master is chosen without Sentinels. */
  readonly sentinel?: SentinelOptions;
  /** Time limit of a command. A connection with commands in flight is dropped if no bytes arrive for this time. */
  readonly commandTimeoutMs: number;
  readonly connectionsPerMaster: number;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly metrics: RedisMetrics;
  readonly log: Logger;
  /** Permissions to probe. If unset, a missing permission is found only when Redis refuses a command. */
  readonly permissions?: PermissionOptions;
  /** Current refusals of this deployment. */
  readonly refusals: RefusalLog;
  /** Called each time a connection to a master became ready or was lost. */
  readonly onConnectionChange?: () => void;
}
