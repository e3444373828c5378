/**
 * Recovers a command after an error reply, a lost connection or a missing connection.
 *
 * The recovery depends on the failure:
 *   - After MOVED, the recovery corrects the slot table, sends the command to the named node and requests a refresh of
 *     the topology.
 *   - After ASK, the recovery sends ASKING and the command once to the named node, and leaves the slot table unchanged.
 *   - After NOSCRIPT, the recovery loads the script once for all callers (script-loads.ts) and sends the command again.
 *   - After WRONGTYPE or DAMAGED, the recovery removes the damaged value (damage-repair.ts) and sends the command once
 *     more.
 *   - After TRYAGAIN (a command with several keys in a migrating slot), the recovery repeats the command after 5 to 50
 *     ms.
 *   - After READONLY, MASTERDOWN or CLUSTERDOWN, the recovery repeats the command once after a refresh, because another
 *     server may have become the master.
 *   - If the command was not sent, the recovery waits briefly for a connection (node-table.ts).
 *   - If the connection was lost, the recovery repeats a read once. If the connection was dropped because the server is
 *     now a replica, the recovery first waits for a refresh.
 *
 * Invariants:
 *   1. Recovery stops at the deadline of the command at the latest. Recovery also stops `commandTimeoutMs` after the
 *      first send, plus 1 ms for each KiB of transfer (the command twice, and the expected reply once). Recovery makes
 *      at most five attempts, not counting attempts after TRYAGAIN.
 *   2. A refusal that the caller receives is reported (refusal-log.ts). If a later attempt succeeds, the refusal is not
 *      reported, except for damaged values.
 *   3. A write is repeated only if the reply shows that the write was not executed, or if the write was certainly not
 *      sent. Our scripts detect damaged values before they write. As an exception, cache scripts may have removed
 *      entries before they detect the damage, and these removals can be repeated safely.
 */
import { backoffMs } from '../lib/backoff.ts';
import { StoreError } from '../lib/store-error.ts';
import { type NodeAddress, parseAddressText } from './address.ts';
import { NO_ADDRESS_MAP, reachableAddress } from './address-map.ts';
import { bytesOf } from './command-bytes.ts';
import type { RedisArgument, RedisReply } from './commands.ts';
import type { RedisConnection } from './connection.ts';
import { repairOf } from './damage-repair.ts';
import { LostConnection } from './lost-connection.ts';
import type { KeyType, Script } from './lua-script.ts';
import type { RedisNode } from './node-table.ts';
import type { RedisOptions } from './options.ts';
import type { SendOptions } from './pending-command.ts';
import { DAMAGE_CODES, storeErrorOf } from './server-error.ts';
import type { ServerReply } from './server-reply.ts';
import { settledBy } from './settled-by.ts';

const MAX_TURNS = 5;
/** Error codes that may mean that another server has become the master. */
const AFTER_REFRESH: ReadonlySet<string> = new Set(['READONLY', 'MASTERDOWN', 'CLUSTERDOWN']);
const TRY_AGAIN = { firstMs: 5, maxMs: 50 };
/** Link speed, which is the same as in pending-command.ts (1 MB/s). */
const BYTES_PER_MS = 1_024;
/** Interval, in ms, between checks of a node that is connecting. */
const NODE_POLL_MS = 5;

/**
 * Command with all data that its recovery may need. The same object contains the options of the command, so each
 * command allocates one object and no closure.
 */
export interface RecoverableRequest extends SendOptions {
  readonly slot: number;
  readonly command: readonly RedisArgument[];
  readonly script: Script | undefined;
  /** Type that the key of a command outside of scripts should have. */
  readonly keyType?: KeyType | undefined;
  readonly isPermissionOptional?: boolean | undefined;
  readonly deadlineAtMs: number;
  readonly recovery: Recovery;
  /** Node to which the command was first sent. */
  node: RedisNode;
  connection: RedisConnection;
}

/** Returns the name of the command in logs, which contains no user data. */
export function commandName({ script, command }: RecoverableRequest): string {
  return script?.name ?? String(command[0]);
}

/** Implements `recover` of every RecoverableRequest. */
export function recoverRequest(
  this: RecoverableRequest,
  failure: ServerReply | LostConnection,
  sentAtMs: number,
): Promise<RedisReply> {
  return this.recovery.goOn(this, failure, sentAtMs);
}

export interface RecoveryOptions {
  readonly redis: RedisOptions;
  /** Returns the node that currently owns the slot. */
  readonly ownerOf: (slot: number) => RedisNode | undefined;
  /** Returns the node at an address named by a redirect. */
  readonly nodeAt: (address: NodeAddress) => RedisNode;
  /** Called when MOVED names the owner of a slot. */
  readonly onMoved: (slot: number, address: NodeAddress) => void;
  /** Resolves after the next refresh of the topology. Never rejects. */
  readonly refreshed: () => Promise<void>;
}

type Failure = ServerReply | LostConnection;

export class Recovery {
  readonly #options: RecoveryOptions;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** Recovers the request after a failure. Rejects with a StoreError if the recovery fails. */
  async goOn(request: RecoverableRequest, failure: Failure, sentAtMs: number): Promise<RedisReply> {
    const wasSent = !(failure instanceof LostConnection) || failure.wasSent;
    const sinceMs = wasSent ? sentAtMs : this.#options.redis.clock.monotonicMs();
    return await new Attempt(request, sinceMs, this.#options).run(failure);
  }
}

/** Recovery of one request. */
class Attempt {
  readonly #request: RecoverableRequest;
  readonly #options: RecoveryOptions;
  readonly #untilMs: number;
  #node: RedisNode;
  #connection: RedisConnection;
  #sentAtMs: number;
  #isAsking = false;
  #hasRefreshed = false;
  #hasRepeated = false;
  #hasRepaired = false;
  #tryAgains = 0;

  constructor(request: RecoverableRequest, sentAtMs: number, options: RecoveryOptions) {
    this.#request = request;
    this.#options = options;
    this.#node = request.node;
    this.#connection = request.connection;
    this.#sentAtMs = sentAtMs;
    const transferMs = (2 * bytesOf(request.command) + (request.expectedReplyBytes ?? 0)) / BYTES_PER_MS;
    this.#untilMs = Math.min(request.deadlineAtMs, sentAtMs + options.redis.commandTimeoutMs + transferMs);
  }

  async run(first: Failure): Promise<RedisReply> {
    let failure = first;
    for (let turns = 0; ; ) {
      const isTryAgain = !(failure instanceof LostConnection) && failure.code === 'TRYAGAIN';
      if (turns === MAX_TURNS && !isTryAgain) {
        this.#count(failure);
        throw this.#errorOf(failure);
      }
      turns += isTryAgain ? 0 : 1;
      await (failure instanceof LostConnection ? this.#afterLoss(failure) : this.#afterReply(failure));
      // Even after the time limit, the command is passed to a connection that is not ready, because such a connection
      // rejects the command with the reason why it is not ready.
      if (this.#connection.isReady && this.#nowMs() >= this.#untilMs) {
        throw this.#errorOf(failure);
      }
      const outcome = await this.#send();
      if (!outcome.isFailure) {
        this.#request.node = this.#node;
        this.#noteRepaired();
        return outcome.reply;
      }
      failure = outcome.failure;
    }
  }

  async #send(): Promise<{ isFailure: false; reply: RedisReply } | { isFailure: true; failure: Failure }> {
    this.#sentAtMs = this.#nowMs();
    const { command, isRead, expectedReplyBytes, deadlineAtMs } = this.#request;
    try {
      const options: SendOptions = { isAsking: this.#isAsking, isRead, expectedReplyBytes, endMs: this.#untilMs };
      return { isFailure: false, reply: await this.#connection.send(command, deadlineAtMs, options) };
    } catch (error) {
      if (error instanceof StoreError && !(error instanceof LostConnection)) {
        throw error;
      }
      return { isFailure: true, failure: error as Failure };
    }
  }

  /** Prepares the next attempt. Throws if no further attempt is possible. */
  async #afterLoss(lost: LostConnection): Promise<void> {
    if (lost.wasSent) {
      if (this.#request.isRead !== true || this.#hasRepeated) {
        throw lost;
      }
      this.#hasRepeated = true;
    }
    if (lost.reason === 'demoted' && !this.#hasRefreshed) {
      await this.#afterRefresh();
      return;
    }
    // The node may have been replaced. A retired node never becomes ready again.
    this.#node = this.#options.ownerOf(this.#request.slot) ?? this.#node;
    this.#isAsking = false;
    this.#connection = await this.#node.connectionSoon(bytesOf(this.#request.command), this.#request.deadlineAtMs);
    if (!this.#connection.isReady) {
      throw this.#connection.refusal ?? lost;
    }
  }

  async #afterReply(reply: ServerReply): Promise<void> {
    this.#count(reply);
    if (reply.code === 'TRYAGAIN') {
      if (this.#untilMs - this.#nowMs() <= TRY_AGAIN.maxMs) {
        // A further attempt might time out. The outcome would then be unknown, although Redis has certainly refused the
        // command.
        throw this.#errorOf(reply);
      }
      await this.#pause(backoffMs(this.#tryAgains, TRY_AGAIN));
      this.#tryAgains += 1;
    } else if (reply.code === 'NOSCRIPT' && this.#request.script !== undefined) {
      await this.#load(this.#request.script);
    } else if (DAMAGE_CODES.has(reply.code) && !this.#hasRepaired) {
      await this.#repair(reply);
    } else if ((AFTER_REFRESH.has(reply.code) || movesToNameless(reply)) && !this.#hasRefreshed) {
      await this.#afterRefresh();
    } else if ((reply.code === 'MOVED' || reply.code === 'ASK') && !movesToNameless(reply)) {
      this.#isAsking = reply.code === 'ASK';
      await this.#follow(reply);
    } else {
      throw this.#errorOf(reply);
    }
  }

  async #afterRefresh(): Promise<void> {
    this.#hasRefreshed = true;
    this.#isAsking = false;
    await settledBy(this.#options.refreshed(), this.#untilMs, this.#options.redis.wheel);
    this.#node = this.#options.ownerOf(this.#request.slot) ?? this.#node;
    await this.#connect();
  }

  async #follow(reply: ServerReply): Promise<void> {
    const announced = parseAddressText(reply.message.split(' ')[2] ?? '', this.#node.address.host);
    const address = reachableAddress(this.#options.redis.addressMap ?? NO_ADDRESS_MAP, announced);
    if (reply.code === 'MOVED') {
      this.#options.onMoved(this.#request.slot, address);
    }
    this.#node = this.#options.nodeAt(address);
    const refusal = this.#isAsking ? this.#node.missing?.refusalOfAsking() : undefined;
    if (refusal !== undefined) {
      throw refusal;
    }
    await this.#connect();
  }

  /** Waits until the node is connected or has failed. */
  async #connect(): Promise<void> {
    const node = this.#node;
    while (!node.isReady && node.connection().refusal === undefined && this.#nowMs() < this.#untilMs) {
      await this.#pause(NODE_POLL_MS);
    }
    this.#connection = node.connection();
  }

  /** Loads the script within a separate time limit, because other callers wait for the same load. */
  async #load(script: Script): Promise<void> {
    const { redis } = this.#options;
    const connection = this.#connection;
    const load = (): Promise<unknown> =>
      connection.send(['SCRIPT', 'LOAD', script.source], this.#nowMs() + redis.commandTimeoutMs);
    const ensured = this.#node.scripts.ensure(script, this.#sentAtMs, () => this.#nowMs(), load);
    try {
      await settledBy(ensured, this.#untilMs, this.#options.redis.wheel);
    } catch (error) {
      if (error instanceof StoreError) {
        // Redis did not execute the command, so after a failed load the command may be sent again. Another caller may
        // have loaded the script in the meantime.
        this.#connection = await this.#node.connectionSoon(bytesOf(this.#request.command), this.#request.deadlineAtMs);
        return;
      }
      throw this.#errorOf(error as ServerReply);
    }
  }

  /** Removes the damaged value. If the removal fails, the caller receives the original error. */
  async #repair(reply: ServerReply): Promise<void> {
    this.#hasRepaired = true;
    const { slot, deadlineAtMs, recovery } = this.#request;
    const failure = this.#errorOf(reply);
    const repair = repairOf(reply.code, this.#request);
    if (repair === 'impossible') {
      throw failure;
    }
    this.#options.redis.metrics.valueDamaged(reply.code);
    if (repair === 'none') {
      return;
    }
    const { script, keys, args } = repair;
    const request: RecoverableRequest = {
      slot,
      command: ['EVALSHA', script.sha1, String(keys.length), ...keys, ...args],
      script,
      isRead: false,
      isAsking: this.#isAsking,
      expectedReplyBytes: undefined,
      deadlineAtMs,
      recovery,
      node: this.#node,
      connection: this.#connection,
      recover: recoverRequest,
    };
    try {
      await this.#connection.send(request.command, deadlineAtMs, request);
    } catch {
      throw failure;
    }
  }

  /** Reports to the refusal log that the command has succeeded after the removal of a damaged value. */
  #noteRepaired(): void {
    if (this.#hasRepaired) {
      const kind = this.#request.script?.kind ?? 'other';
      const subject = { node: this.#node.name, command: commandName(this.#request) };
      this.#options.redis.refusals.succeeded({ ...subject, kind });
    }
  }

  #pause(durationMs: number): Promise<void> {
    const leftMs = Math.max(0, this.#untilMs - this.#nowMs());
    return new Promise((resolve) => setTimeout(resolve, Math.min(durationMs, leftMs)));
  }

  #count(failure: Failure): void {
    if (!(failure instanceof LostConnection)) {
      this.#options.redis.metrics.commandError(this.#node.name, failure.code);
    }
  }

  #errorOf(failure: Failure): StoreError {
    if (failure instanceof LostConnection) {
      return failure;
    }
    this.#report(failure);
    return storeErrorOf(failure.cause as Error, this.#request.isRead);
  }

  /** Reports the refusal, except on a retired node, because no later success on that node could end the refusal. */
  #report({ code, message: text }: ServerReply): void {
    if (this.#node.isRetired) {
      return;
    }
    const refusal = { node: this.#node.name, command: commandName(this.#request), text };
    if (code !== 'NOPERM') {
      this.#options.redis.refusals.refused(refusal);
    } else if (this.#request.isPermissionOptional !== true) {
      this.#node.permissionRefused(refusal);
    }
  }

  #nowMs(): number {
    return this.#options.redis.clock.monotonicMs();
  }
}

/**
 * Returns whether MOVED names a node without a host name (host `?`). Only CLUSTER SLOTS reports the address of such a
 * node.
 */
function movesToNameless(error: ServerReply): boolean {
  return error.code === 'MOVED' && error.message.split(' ')[2]?.startsWith('?:') === true;
}
