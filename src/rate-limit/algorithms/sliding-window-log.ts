/**
 * SLIDING_WINDOW_LOG: at most `limit` units in any stretch of one window's length, exactly: every admission is remembered.
 *
 * An entry is a time and the units admitted at that time; what is admitted in the same millisecond shares one. An entry
 * counts until its time plus the window. To keep a step cheap at 10,000 entries the log is a row of full, unchanging
 * chunks and a short tail: a step copies the tail at most. sliding-window-log.lua keeps each chunk in a field of its own.
 */
import { asNever, type Step, type StepLimit } from './step.ts';

/** Entries per chunk. */
export const LOG_CHUNK_ENTRIES = 64;

/** Times and units in turn: ms, units, ms, units ... */
type LogEntries = readonly number[];

interface LogChunk {
  readonly entries: LogEntries;
  /** Sum of its units. */
  readonly units: number;
}

export interface SlidingWindowLogState {
  /** Full chunks, oldest first. */
  readonly chunks: readonly LogChunk[];
  /** How many entries of the first chunk have left, and their units. Both 0 without chunks. */
  readonly skippedEntries: number;
  readonly skippedUnits: number;
  /** The newest entries; never empty while anything counts. */
  readonly tail: LogEntries;
  /** Units of all entries that have not left. */
  readonly total: number;
}

const EMPTY_LOG: SlidingWindowLogState = { chunks: [], skippedEntries: 0, skippedUnits: 0, tail: [], total: 0 };

export function stepSlidingWindowLog(
  state: SlidingWindowLogState | undefined,
  limit: StepLimit,
  nowMs: number,
  cost: number,
): Step<SlidingWindowLogState> {
  if (cost > limit.limit) {
    return asNever(stepSlidingWindowLog(state, limit, nowMs, 0));
  }
  const { windowMs } = limit;
  const newest = state === undefined ? nowMs : newestMs(state, nowMs);
  let atMs = Math.max(nowMs, newest);
  let log = state === undefined ? EMPTY_LOG : trim(state, atMs - windowMs);
  const repaired = newest - nowMs > windowMs;
  if (repaired) {
    atMs = nowMs;
    log = { ...EMPTY_LOG, tail: [nowMs, log.total], total: log.total };
  }
  const allowed = log.total + cost <= limit.limit;
  const retryAfterMs = allowed ? 0 : leavesAtMs(log, log.total + cost - limit.limit) + windowMs - nowMs;
  if (allowed && cost > 0) {
    log = append(log, atMs, cost);
  }
  const outcome = {
    allowed,
    remaining: Math.max(0, limit.limit - log.total),
    retryAfterMs,
    resetAfterMs: log.total > 0 ? newestMs(log, nowMs) + windowMs - nowMs : 0,
    delayMs: 0,
    never: false,
  };
  return { state: log, outcome, repaired };
}

/** About what a state takes in memory. */
export function slidingWindowLogBytes(state: SlidingWindowLogState): number {
  return 160 + state.tail.length * 8 + state.chunks.length * (LOG_CHUNK_ENTRIES * 16 + 72);
}

function newestMs(log: SlidingWindowLogState, otherwiseMs: number): number {
  return log.tail[log.tail.length - 2] ?? otherwiseMs;
}

/** Lets go of the entries of `horizonMs` and before. */
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

/** The time of the entry with whose leaving `units` will have left. */
function leavesAtMs(log: SlidingWindowLogState, units: number): number {
  let wanted = units + log.skippedUnits;
  for (const chunk of log.chunks) {
    if (chunk.units >= wanted) {
      return timeOfUnit(chunk.entries, wanted);
    }
    wanted -= chunk.units;
  }
  return timeOfUnit(log.tail, wanted);
}

function timeOfUnit(entries: LogEntries, wanted: number): number {
  let index = 0;
  let sum = numberAt(entries, 1);
  while (sum < wanted) {
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
    throw new RangeError(
      'Cannot read a sliding log: it ends before its total is reached, wanted a state made by its step',
    );
  }
  return value;
}
