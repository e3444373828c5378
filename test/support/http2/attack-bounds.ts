/**
 * Checks the bounds that must hold during every attack on the HTTP/2 server, and floods connections until the server
 * stops the attackers.
 */
import type { AttackEffort, AttackOutcome, AttackRange } from './attack-range.ts';
import { many } from './frames.ts';
import { Http2Peer, type PeerEnd } from './peer.ts';

export const MEBIBYTE = 1024 * 1024;
/** Default number of simultaneous attackers, each with its own connection. */
export const ATTACKERS = 3;
/** Maximum memory of a small call in flight, including its handler and promise. */
export const MAX_CALL_BYTES = 2 * 1024;
/** Additional live memory allowed for compiled code, type feedback and buffers of the honest client. */
const LIVE_SLACK_BYTES = 4 * MEBIBYTE;
/** Additional resident memory allowed for pages that V8 and malloc keep for some time after the last use. */
const RESIDENT_SLACK_BYTES = 160 * MEBIBYTE;

export interface AttackBounds {
  /** Maximum number of bytes that the server may buffer for the attackers. */
  readonly maxBufferedRequestBytes: number;
  readonly effort: AttackEffort;
  /**
   * Maximum CPU time per frame, as a multiple of the CPU time of an honest call. A large frame counts as several
   * frames: one for every N bytes, where N is the number of bytes of an honest call.
   */
  readonly maxCallsPerFrame: number;
}

/**
 * Expects that no honest call failed, that the server had no uncaught errors, and that its memory and CPU time stayed
 * within bounds.
 */
export function expectUnharmed(range: AttackRange, outcome: AttackOutcome<unknown>, bounds: AttackBounds): void {
  const maxCpuMicroseconds = range.maxCpuMicroseconds(bounds.effort, bounds.maxCallsPerFrame);
  const seen = {
    honestFailures: outcome.honestFailures.slice(0, 3),
    uncaught: outcome.after.uncaught,
    liveGrowth: grown(outcome.liveGrowthBytes, bounds.maxBufferedRequestBytes + LIVE_SLACK_BYTES),
    residentGrowth: grown(outcome.residentGrowthBytes, bounds.maxBufferedRequestBytes + RESIDENT_SLACK_BYTES),
    cpu: within(outcome.cpuMicroseconds, maxCpuMicroseconds, 'us'),
  };
  expect(seen).toEqual({
    honestFailures: [],
    uncaught: 0,
    liveGrowth: 'in bounds',
    residentGrowth: 'in bounds',
    cpu: 'in bounds',
  });
  expect(outcome.honestCalls).toBeGreaterThan(0);
}

function grown(bytes: number, maxBytes: number): string {
  return within(bytes, maxBytes, 'bytes');
}

function within(value: number, maxValue: number, unit: string): string {
  return value <= maxValue ? 'in bounds' : `must be at most ${Math.round(maxValue)} ${unit}, got ${Math.round(value)}`;
}

export interface Flood {
  /** Bytes that each attacker sends once before the flood. */
  readonly opening?: Buffer;
  /** Returns the frames of one step; `step` counts from 0. */
  readonly make: (step: number) => Buffer;
  readonly framesPerStep: number;
  /** Number of frames after which an attacker stops. The server must stop the attacker earlier. */
  readonly maxFrames: number;
  readonly settings?: readonly (readonly [number, number])[];
  readonly attackers?: number;
}

export interface FloodResult {
  readonly effort: AttackEffort;
  readonly ends: readonly PeerEnd[];
  /** Number of frames that each attacker has sent. */
  readonly framesOfEach: readonly number[];
  readonly peers: readonly Http2Peer[];
}

/**
 * Floods the server over several connections. An attacker stops when the server ends its connection or when the
 * attacker has sent `maxFrames`.
 */
export async function flood(port: number, plan: Flood): Promise<FloodResult> {
  const attackers = plan.attackers ?? ATTACKERS;
  const each = await Promise.all(Array.from({ length: attackers }, () => floodOnce(port, plan)));
  return {
    effort: {
      frames: each.reduce((sum, { frames }) => sum + frames, 0),
      bytes: each.reduce((sum, { peer }) => sum + peer.socket.bytesWritten, 0),
    },
    ends: each.map(({ end }) => end),
    framesOfEach: each.map(({ frames }) => frames),
    peers: each.map(({ peer }) => peer),
  };
}

async function floodOnce(port: number, plan: Flood): Promise<{ peer: Http2Peer; frames: number; end: PeerEnd }> {
  const peer = await Http2Peer.open(port, plan.settings === undefined ? {} : { settings: plan.settings });
  let isOpen = await peer.send(plan.opening ?? Buffer.alloc(0));
  let frames = 0;
  for (let step = 0; isOpen && frames < plan.maxFrames; step += 1) {
    isOpen = await peer.sendAll(plan.make(step));
    frames += plan.framesPerStep;
  }
  if (isOpen) {
    await peer.roundTrip();
    isOpen = peer.isOpen;
  }
  const end = isOpen ? { goaway: undefined, isClosed: false } : await peer.end();
  return { peer, frames, end };
}

/** Returns a plan that sends a hundred frames per step. */
export function hundreds(make: (index: number) => Buffer): Pick<Flood, 'make' | 'framesPerStep'> {
  return { framesPerStep: 100, make: (step) => many(100, (index) => make(step * 100 + index)) };
}

/** Closes the connections of attackers without leaving their ports in TIME_WAIT. */
export function dismiss(peers: readonly Http2Peer[]): void {
  for (const peer of peers) {
    if (peer.socket.remoteFamily === undefined) {
      // A unix socket or a closed socket cannot be reset.
      peer.socket.destroy();
    } else {
      peer.socket.resetAndDestroy();
    }
  }
}
