/**
 * Tests that each time limit of a connection takes effect when the connection exceeds it, and not earlier.
 */

import { TRANSPORT_LIMITS } from '../transport/transport.ts';
import { ConnectionLifetime, type LifetimeState, type LifetimeVerdict, SWEEP_MS } from './connection-lifetime.ts';
import { ConnectionFault } from './frames/protocol.ts';
import { HTTP2_LIMITS, type Http2Limits } from './limits/http2-limits.ts';

const LIMITS: Http2Limits = { ...TRANSPORT_LIMITS, ...HTTP2_LIMITS, maxConnectionIdleMs: 0 };
const HEALTHY: LifetimeState = {
  isSettled: true,
  isBlockOpen: false,
  isDraining: false,
  isPaused: false,
  streams: 1,
  lastStreamId: 1,
  takenBytes: 0,
  unsentBytes: 0,
};

/**
 * Calls `sweep` until it returns an action other than `nothing`, and returns the action and the time. The peer sends
 * bytes at intervals of `receivedEveryMs`; 0 means that it sends none.
 */
function firstDue(
  limits: Partial<Http2Limits>,
  state: Partial<LifetimeState>,
  options: { receivedEveryMs?: number; untilMs?: number } = {},
): { verdict: LifetimeVerdict; atMs: number } {
  const lifetime = new ConnectionLifetime({ ...LIMITS, ...limits });
  const { receivedEveryMs = SWEEP_MS, untilMs = 10_000_000 } = options;
  for (let atMs = SWEEP_MS; atMs <= untilMs; atMs += SWEEP_MS) {
    if (receivedEveryMs > 0 && atMs % receivedEveryMs === 0) {
      lifetime.received();
    }
    const verdict = lifetime.sweep({ ...HEALTHY, ...state });
    if (verdict !== 'nothing') {
      return { verdict, atMs };
    }
  }
  return { verdict: 'nothing', atMs: untilMs };
}

test('keeps a connection whose peer is active', () => {
  expect(firstDue({}, {})).toEqual({ verdict: 'nothing', atMs: 10_000_000 });
});

test('returns a connection error when SETTINGS do not arrive in time', () => {
  const { verdict, atMs } = firstDue({ maxHandshakeMs: 10_000 }, { isSettled: false });
  expect(verdict).toBeInstanceOf(ConnectionFault);
  expect(String(verdict)).toContain('SETTINGS must arrive within 10000 ms of connecting');
  expect(atMs).toBe(11_000);
});

test('returns a connection error when a header block does not end in time', () => {
  const { verdict, atMs } = firstDue({ maxRequestMs: 30_000 }, { isBlockOpen: true });
  expect(String(verdict)).toContain('a header block must end within 30000 ms');
  expect(atMs).toBe(31_000);
});

test('destroys the connection of a peer that reads too few bytes, and keeps that of a peer that reads enough', () => {
  const unsent = { unsentBytes: 1_000 };
  expect(firstDue({ maxStalledWriteMs: 20_000 }, unsent)).toEqual({ verdict: 'destroy', atMs: 21_000 });
  const slowReader = new ConnectionLifetime(LIMITS);
  const verdicts = Array.from({ length: 22 }, (_, second) => {
    slowReader.received();
    return slowReader.sweep({ ...HEALTHY, unsentBytes: 1_000, takenBytes: second * 100 });
  });
  expect(verdicts.at(-1)).toBe('destroy');
  const lifetime = new ConnectionLifetime(LIMITS);
  for (let second = 1; second < 1_000; second += 1) {
    lifetime.received();
    expect(
      lifetime.sweep({ ...HEALTHY, unsentBytes: 1_000, takenBytes: second * LIMITS.slowReaderBytesPerSecond }),
    ).toBe('nothing');
  }
});

test('sends one PING to a silent peer and destroys the connection when no reply arrives', () => {
  const lifetime = new ConnectionLifetime({ ...LIMITS, keepaliveIntervalMs: 60_000, keepaliveTimeoutMs: 20_000 });
  const verdicts = Array.from({ length: 81 }, () => lifetime.sweep(HEALTHY));
  expect(verdicts.indexOf('ping')).toBe(59);
  expect(verdicts.filter((verdict) => verdict === 'ping')).toHaveLength(1);
  expect(verdicts.indexOf('destroy')).toBe(80);
});

test('sends the next PING only after another silent interval when the peer has replied', () => {
  const lifetime = new ConnectionLifetime({ ...LIMITS, keepaliveIntervalMs: 5_000, keepaliveTimeoutMs: 2_000 });
  for (let round = 0; round < 100; round += 1) {
    const verdicts = Array.from({ length: 5 }, () => lifetime.sweep(HEALTHY));
    expect(verdicts).toEqual(['nothing', 'nothing', 'nothing', 'nothing', 'ping']);
    lifetime.received();
  }
});

test('drains a connection that is too old or idle too long, and treats a limit of 0 as no limit', () => {
  expect(firstDue({ maxConnectionAgeMs: 90_000 }, {})).toEqual({ verdict: 'drain', atMs: 91_000 });
  const idle = { maxConnectionIdleMs: 50_000 };
  expect(firstDue(idle, { streams: 0, lastStreamId: 0 })).toEqual({ verdict: 'drain', atMs: 51_000 });
  expect(firstDue(idle, { streams: 1 }).verdict).toBe('nothing');
  expect(firstDue({}, { streams: 0 }).verdict).toBe('nothing');
});

test('restarts the idle time when a call is open', () => {
  const lifetime = new ConnectionLifetime({ ...LIMITS, maxConnectionIdleMs: 5_000 });
  for (let second = 1; second < 100; second += 1) {
    lifetime.received();
    expect(lifetime.sweep({ ...HEALTHY, streams: second % 5 === 0 ? 1 : 0 })).toBe('nothing');
  }
});

test('restarts the idle time when a call began and ended between two sweeps', () => {
  const lifetime = new ConnectionLifetime({ ...LIMITS, maxConnectionIdleMs: 5_000 });
  for (let second = 1; second < 100; second += 1) {
    lifetime.received();
    const lastStreamId = 1 + 2 * Math.floor(second / 4);
    expect(lifetime.sweep({ ...HEALTHY, streams: 0, lastStreamId })).toBe('nothing');
  }
});

test('does not count a peer as silent while reading is paused', () => {
  const state = { isPaused: true };
  expect(firstDue({ keepaliveIntervalMs: 5_000 }, state, { receivedEveryMs: 0 }).verdict).toBe('nothing');
});

test('continues a drain when the peer does not acknowledge its PING in time', () => {
  const draining = { isDraining: true };
  expect(firstDue({ maxDrainPingMs: 2_000 }, draining)).toEqual({ verdict: 'drain_further', atMs: 3_000 });
});
