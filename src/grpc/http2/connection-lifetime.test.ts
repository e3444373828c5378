/**
 * Each time limit of a connection: what is due at it, and not before.
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

/** Sweeps until something is due, and when that was. `heardEveryMs` 0: the peer is silent. */
function firstDue(
  limits: Partial<Http2Limits>,
  state: Partial<LifetimeState>,
  options: { heardEveryMs?: number; untilMs?: number } = {},
): { verdict: LifetimeVerdict; atMs: number } {
  const lifetime = new ConnectionLifetime({ ...LIMITS, ...limits });
  const { heardEveryMs = SWEEP_MS, untilMs = 10_000_000 } = options;
  for (let atMs = SWEEP_MS; atMs <= untilMs; atMs += SWEEP_MS) {
    if (heardEveryMs > 0 && atMs % heardEveryMs === 0) {
      lifetime.received();
    }
    const verdict = lifetime.sweep({ ...HEALTHY, ...state });
    if (verdict !== 'nothing') {
      return { verdict, atMs };
    }
  }
  return { verdict: 'nothing', atMs: untilMs };
}

test('a connection that is talked on lives for ever', () => {
  expect(firstDue({}, {})).toEqual({ verdict: 'nothing', atMs: 10_000_000 });
});

test('no SETTINGS in time is a fault', () => {
  const { verdict, atMs } = firstDue({ maxHandshakeMs: 10_000 }, { isSettled: false });
  expect(verdict).toBeInstanceOf(ConnectionFault);
  expect(String(verdict)).toContain('no SETTINGS within 10000 ms');
  expect(atMs).toBe(11_000);
});

test('a header block that does not end is a fault', () => {
  const { verdict, atMs } = firstDue({ maxRequestMs: 30_000 }, { isBlockOpen: true });
  expect(String(verdict)).toContain('header block not ended within 30000 ms');
  expect(atMs).toBe(31_000);
});

test('a peer that takes no byte or a few is gone, one that takes enough is not', () => {
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

test('a silent peer is asked for a sign of life, and is gone when it gives none', () => {
  const lifetime = new ConnectionLifetime({ ...LIMITS, keepaliveIntervalMs: 60_000, keepaliveTimeoutMs: 20_000 });
  const verdicts = Array.from({ length: 81 }, () => lifetime.sweep(HEALTHY));
  expect(verdicts.indexOf('ping')).toBe(59);
  expect(verdicts.filter((verdict) => verdict === 'ping')).toHaveLength(1);
  expect(verdicts.indexOf('destroy')).toBe(80);
});

test('a peer that answers is asked again after the next silence only', () => {
  const lifetime = new ConnectionLifetime({ ...LIMITS, keepaliveIntervalMs: 5_000, keepaliveTimeoutMs: 2_000 });
  for (let round = 0; round < 100; round += 1) {
    const verdicts = Array.from({ length: 5 }, () => lifetime.sweep(HEALTHY));
    expect(verdicts).toEqual(['nothing', 'nothing', 'nothing', 'nothing', 'ping']);
    lifetime.received();
  }
});

test('an old connection is drained, and so is an idle one; 0 is no limit', () => {
  expect(firstDue({ maxConnectionAgeMs: 90_000 }, {})).toEqual({ verdict: 'drain', atMs: 91_000 });
  const idle = { maxConnectionIdleMs: 50_000 };
  expect(firstDue(idle, { streams: 0, lastStreamId: 0 })).toEqual({ verdict: 'drain', atMs: 51_000 });
  expect(firstDue(idle, { streams: 1 }).verdict).toBe('nothing');
  expect(firstDue({}, { streams: 0 }).verdict).toBe('nothing');
});

test('a call in between begins the idle time anew', () => {
  const lifetime = new ConnectionLifetime({ ...LIMITS, maxConnectionIdleMs: 5_000 });
  for (let second = 1; second < 100; second += 1) {
    lifetime.received();
    expect(lifetime.sweep({ ...HEALTHY, streams: second % 5 === 0 ? 1 : 0 })).toBe('nothing');
  }
});

test('calls that come and go between two looks are no idleness', () => {
  const lifetime = new ConnectionLifetime({ ...LIMITS, maxConnectionIdleMs: 5_000 });
  for (let second = 1; second < 100; second += 1) {
    lifetime.received();
    const lastStreamId = 1 + 2 * Math.floor(second / 4);
    expect(lifetime.sweep({ ...HEALTHY, streams: 0, lastStreamId })).toBe('nothing');
  }
});

test('a peer that we do not read is not silent', () => {
  const state = { isPaused: true };
  expect(firstDue({ keepaliveIntervalMs: 5_000 }, state, { heardEveryMs: 0 }).verdict).toBe('nothing');
});

test('a drain that the peer does not answer goes on without it', () => {
  const draining = { isDraining: true };
  expect(firstDue({ maxDrainPingMs: 2_000 }, draining)).toEqual({ verdict: 'drain_further', atMs: 3_000 });
});
