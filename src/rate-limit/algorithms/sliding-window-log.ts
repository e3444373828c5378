/**
 * SLIDING_WINDOW_LOG: allows at most `limit` units in any period of one window. This bound is exact, because the
 * algorithm records every admission.
 *
 * An entry contains a time in ms and the number of units that were admitted in that millisecond. The entry expires one
 * window later. The log consists of full, immutable chunks and a short tail, so a call copies only the tail, even if
 * the log has 10,000 entries. The file sliding-window-log.lua stores each chunk in a separate field. `give` removes the
 * newest entries.
 */
import { asNever, type Step, type StepLimit, type Steps } from './step.ts';

/** Number of entries in a full chunk. */
const LOG_CHUNK_ENTRIES = 64;

/** Memory in bytes of a state without entries, of one number in a list of entries (on average), and of a full chunk. */
const STATE_BYTES = 240;
const NUMBER_BYTES = 16;
const CHUNK_BYTES = 120 + LOG_CHUNK_ENTRIES * 2 * NUMBER_BYTES;

/** Times in ms and units of the entries, alternating: time, units, time, units, … */
type LogEntries = readonly number[];

interface LogChunk {
  readonly entries: LogEntries;
  /** Sum of the units of the chunk. */
  readonly units: number;
}

export interface SlidingWindowLogState {
  /** Full chunks, oldest first. */
  readonly chunks: readonly LogChunk[];
  /**
   * Number of expired entries at the start of the first chunk, and number of units in these entries. Both numbers are 0
   * if there are no chunks.
   */
  readonly skippedEntries: number;
  readonly skippedUnits: number;
  /** Newest entries; empty only if no units are in use. */
  readonly tail: LogEntries;
  /** Sum of the units of all unexpired entries. */
  readonly total: number;
}

const EMPTY_LOG: SlidingWindowLogState = { chunks: [], skippedEntries: 0, skippedUnits: 0, tail: [], total: 0 };

export const slidingWindowLog: Steps<SlidingWindowLogState> = {
  take: (state, limit, nowMs, cost) => {
    const log = load(state, limit, nowMs);
    return cost > limit.limit ? asNever(decide(log, limit, nowMs, 0)) : decide(log, limit, nowMs, cost);
  },
  give: (state, limit, nowMs, units) => {
    const { log, atMs, repaired } = load(state, limit, nowMs);
    return decide({ log: removeNewest(log, units), atMs, repaired }, limit, nowMs, 0);
  },
  remaining: (state, limit, nowMs) => decide(load(state, limit, nowMs), limit, nowMs, 0),
};

interface LoadedLog {
  readonly log: SlidingWindowLogState;
  /** Time that the log records for this call if it is admitted. */
  readonly atMs: number;
  readonly repaired: boolean;
}

function load(state: SlidingWindowLogState | undefined, limit: StepLimit, nowMs: number): LoadedLog {
  const newest = state === undefined ? nowMs : newestMs(state, nowMs);
  const atMs = Math.max(nowMs, newest);
  const log = state === undefined ? EMPTY_LOG : trim(state, atMs - limit.windowMs);
  if (newest - nowMs > limit.windowMs) {
    return { log: { ...EMPTY_LOG, tail: [nowMs, log.total], total: log.total }, atMs: nowMs, repaired: true };
  }
  return { log, atMs, repaired: false };
}

function decide(loaded: LoadedLog, limit: StepLimit, nowMs: number, cost: number): Step<SlidingWindowLogState> {
  const { windowMs } = limit;
  let { log } = loaded;
  const allowed = log.total + cost <= limit.limit;
  const retryAfterMs = allowed ? 0 : leavesAtMs(log, log.total + cost - limit.limit) + windowMs - nowMs;
  if (allowed && cost > 0) {
    log = append(log, loaded.atMs, cost);
  }
  const outcome = {
    allowed,
    remaining: Math.max(0, limit.limit - log.total),
    retryAfterMs,
    resetAfterMs: log.total > 0 ? newestMs(log, nowMs) + windowMs - nowMs : 0,
    delayMs: 0,
    never: false,
  };
  return { state: log, outcome, repaired: loaded.repaired };
}

/** Returns the approximate memory that a state uses, in bytes. */
export function slidingWindowLogBytes(state: SlidingWindowLogState): number {
  return STATE_BYTES + state.tail.length * NUMBER_BYTES + state.chunks.length * CHUNK_BYTES;
}

function newestMs(log: SlidingWindowLogState, otherwiseMs: number): number {
  return log.tail[log.tail.length - 2] ?? otherwiseMs;
}

/** Drops the entries whose time is `horizonMs` or earlier. */
function trim(log: SlidingWindowLogState, horizonMs: number): SlidingWindowLogState {
  if (newestMs(log, horizonMs) <= horizonMs) {
    return EMPTY_LOG;
  }
  const first = log.chunks[0];
  const oldestMs = first === undefined ? log.tail[0] : first.entries[log.skippedEntries * 2];
  if (oldestMs === undefined || oldestMs > horizonMs) {
    return log;
  }
  let { skippedEntries, skippedUnits, total } = log;
  let dropped = 0;
  for (const chunk of log.chunks) {
    if (numberAt(chunk.entries, chunk.entries.length - 2) > horizonMs) {
      break;
    }
    total -= chunk.units - skippedUnits;
    skippedEntries = 0;
    skippedUnits = 0;
    dropped += 1;
  }
  const chunks = dropped === 0 ? log.chunks : log.chunks.slice(dropped);
  const entries = chunks[0]?.entries ?? log.tail;
  let units = 0;
  while (numberAt(entries, skippedEntries * 2) <= horizonMs) {
    units += numberAt(entries, skippedEntries * 2 + 1);
    skippedEntries += 1;
  }
  total -= units;
  if (chunks.length === 0) {
    return { chunks, skippedEntries: 0, skippedUnits: 0, tail: log.tail.slice(skippedEntries * 2), total };
  }
  return { chunks, skippedEntries, skippedUnits: skippedUnits + units, tail: log.tail, total };
}

/** Returns the time of the entry whose expiry raises the number of expired units to `units` or more. */
function leavesAtMs(log: SlidingWindowLogState, units: number): number {
  let target = units + log.skippedUnits;
  for (const chunk of log.chunks) {
    if (chunk.units >= target) {
      return timeOfUnit(chunk.entries, target);
    }
    target -= chunk.units;
  }
  return timeOfUnit(log.tail, target);
}

/**
 * Returns the time of the entry that contains unit number `target`. The first unit of the oldest entry has number 1.
 */
function timeOfUnit(entries: LogEntries, target: number): number {
  let index = 0;
  let sum = numberAt(entries, 1);
  while (sum < target) {
    index += 2;
    sum += numberAt(entries, index + 1);
  }
  return numberAt(entries, index);
}

function append(log: SlidingWindowLogState, atMs: number, units: number): SlidingWindowLogState {
  const total = log.total + units;
  const last = log.tail.length - 2;
  if (log.tail[last] === atMs) {
    const tail = log.tail.slice();
    tail[last + 1] = numberAt(tail, last + 1) + units;
    return { ...log, tail, total };
  }
  if (log.tail.length < LOG_CHUNK_ENTRIES * 2) {
    return { ...log, tail: [...log.tail, atMs, units], total };
  }
  const chunk = { entries: log.tail, units: sumOf(log.tail) };
  return { ...log, chunks: [...log.chunks, chunk], tail: [atMs, units], total };
}

/** Removes the newest `units` from the log. If the tail becomes empty, the last chunk becomes the tail. */
function removeNewest(log: SlidingWindowLogState, units: number): SlidingWindowLogState {
  if (units >= log.total) {
    return EMPTY_LOG;
  }
  let left = units;
  let { chunks, skippedEntries, skippedUnits } = log;
  let tail = log.tail.slice();
  for (;;) {
    const last = tail.length - 2;
    const lastUnits = numberAt(tail, last + 1);
    if (lastUnits > left) {
      tail[last + 1] = lastUnits - left;
      return { chunks, skippedEntries, skippedUnits, tail, total: log.total - units };
    }
    left -= lastUnits;
    tail.length = last;
    if (tail.length === 0) {
      // Units are left, so there is a last chunk. If it is also the first chunk, the function drops its expired
      // entries.
      const chunk = chunks[chunks.length - 1];
      chunks = chunks.slice(0, -1);
      const gone = chunks.length === 0 ? skippedEntries : 0;
      tail = chunk?.entries.slice(gone * 2) ?? [];
      skippedEntries = chunks.length === 0 ? 0 : skippedEntries;
      skippedUnits = chunks.length === 0 ? 0 : skippedUnits;
    }
  }
}

function sumOf(entries: LogEntries): number {
  let sum = 0;
  for (let index = 1; index < entries.length; index += 2) {
    sum += numberAt(entries, index);
  }
  return sum;
}

function numberAt(entries: LogEntries, index: number): number {
  const value = entries[index];
  if (value === undefined) {
    throw new RangeError('cannot read a sliding window log: it has fewer entries than its total requires');
  }
  return value;
}
