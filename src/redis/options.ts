/**
 * What the room is given at start, and what it tells while it runs.
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

/** Counters of one deployment. `node` is host:port, `code` a Redis error code or a word of ours. */
export interface RedisMetrics {
  roundTrip(node: string, durationMs: number): void;
  commandError(node: string, code: string): void;
  reconnected(node: string): void;
  connectionLost(node: string, reason: string): void;
  /** A value was damaged and is removed: WRONGTYPE or DAMAGED. */
  valueDamaged(code: string): void;
}

/** How to get in, and the bounds of a connection. */
export interface RedisAccess {
  readonly credentials: CredentialsSource;
  readonly isTls: boolean;
  /** Without it: Node's own list of CAs, and no client certificate. */
  readonly tlsFiles?: TlsFilesSource;
  /** The name by which servers are verified, and which is sent to them (SNI); unset: the host of their address. */
  readonly tlsServerName?: string | undefined;
  /** Where nodes are reached that announce other addresses. */
  readonly addressMap?: AddressMap;
  readonly connectTimeoutMs: number;
  /** Commands in flight on one connection; more are refused. */
  readonly maxQueue: number;
  /** Resolves host names; that of the system if it is not given. */
  readonly lookup?: LookupFunction;
  /** Decides about connections for commands and subscriptions; without it every server that lets us in is used. */
  readonly guard?: ConnectionGuard;
}

export interface ConnectionGuard {
  /**
   * Rejects if the server must not be used: a replica, or a stranger at the address of a known node. Called before the first command.
   * Resolves with the time (monotonic) at which a standalone server was asked for its role that then answered as a master, if it did.
   */
  verify(address: NodeAddress, send: (command: readonly string[]) => Promise<RedisReply>): Promise<number | undefined>;
  /** The connection is open; what is returned is called when it is lost or closed. */
  opened(connection: OpenConnection): () => void;
}

export interface OpenConnection {
  /** The IP addresses to which its host name resolved; empty if its host is an IP address. */
  readonly resolvedTo: readonly string[];
  /** Drops the connection as if it were lost. */
  drop(reason: string): void;
}

/** What is probed. */
export interface PermissionOptions {
  readonly area: PermissionArea;
  /** Of all keys and channels. */
  readonly prefix: string;
}

export interface SentinelOptions {
  /** The name under which they monitor the master. */
  readonly masterName: string;
  /** The login of the Sentinels, which is not that of the servers. */
  readonly credentials: CredentialsSource;
}

export interface RedisOptions extends RedisAccess {
  /** `state` or `cache`: for logs. */
  readonly role: string;
  /** Servers to begin with, or the Sentinels. */
  readonly seeds: readonly NodeAddress[];
  /** Whether, and how, Sentinels decide who the master is. */
  readonly sentinel?: SentinelOptions;
  /** No command waits longer for its answer; a connection that is silent for so long is given up. */
  readonly commandTimeoutMs: number;
  readonly connectionsPerMaster: number;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly metrics: RedisMetrics;
  readonly log: Logger;
  /** Unset: permissions are not probed, and a missing one shows when Redis refuses a command. */
  readonly permissions?: PermissionOptions;
  /** What this deployment refuses now. */
  readonly refusals: RefusalLog;
  /** After each connection to a master that was made or lost. */
  readonly onConnectionChange?: () => void;
}
