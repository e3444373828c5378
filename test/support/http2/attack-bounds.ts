/**
 * What must hold during every attack on the HTTP/2 transport, and how attackers go on until they are stopped.
 */
import type { AttackEffort, AttackOutcome, AttackRange } from './attack-range.ts';
import { many } from './frames.ts';
import { Http2Peer, type PeerEnd } from './peer.ts';

export const MEBIBYTE = 1024 * 1024;
/** How many attack at a time, each on its connection, unless a flood says otherwise. */
export const ATTACKERS = 3;
/** What a call of a few bytes takes while it runs, its handler and promise included. */
export const MAX_CALL_BYTES = 2 * 1024;
/** Compiled code, feedback and buffers of the honest client: what a process gains by running at all. */
const LIVE_SLACK_BYTES = 4 * MEBIBYTE;
/** V8 and malloc keep pages for a while that nothing lives in any more. */
const RESIDENT_SLACK_BYTES = 160 * MEBIBYTE;

export interface AttackBounds {
  /** What the limits allow the attackers to make the server hold. */
  readonly maxBufferedRequestBytes: number;
  readonly effort: AttackEffort;
  /** Most CPU per frame (or per an honest call's worth of bytes), as a multiple of an honest call's. */
  readonly maxCallsPerFrame: number;
}

/** The other client noticed nothing, the process lives, and memory and CPU stayed in their bounds. */
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
  return value <= maxValue ? 'in bounds' : `${Math.round(value)} ${unit}, at most ${Math.round(maxValue)} wanted`;
}

export interface Flood {
  /** Sent once, before the flood. */
  readonly opening?: Buffer;
  /** The frames of one step; `step` counts from 0. */
  readonly make: (step: number) => Buffer;
  readonly framesPerStep: number;
  /** Where the attacker has had enough; the server must have long before. */
  readonly maxFrames: number;
  readonly settings?: readonly (readonly [number, number])[];
  readonly attackers?: number;
}

export interface FloodResult {
  readonly effort: AttackEffort;
  readonly ends: readonly PeerEnd[];
  /** Frames that each attacker sent before it was stopped. */
  readonly framesOfEach: readonly number[];
  readonly peers: readonly Http2Peer[];
}

/** Floods over a few connections at a time until each is stopped or has had enough. */
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

/** `make` for floods of one frame, a hundred at a time. */
export function hundreds(make: (index: number) => Buffer): Pick<Flood, 'make' | 'framesPerStep'> {
  return { framesPerStep: 100, make: (step) => many(100, (index) => make(step * 100 + index)) };
}

/** Ends the connections of attackers without leaving their ports in use. */
export function dismiss(peers: readonly Http2Peer[]): void {
  for (const peer of peers) {
    if (peer.socket.remoteFamily === undefined) {
      // A unix socket, or one that is gone.
      peer.socket.destroy();
    } else {
      peer.socket.resetAndDestroy();
    }
  }
}
