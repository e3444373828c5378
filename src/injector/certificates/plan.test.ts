/**
 * Simulates several replicas, a Secret and a caBundle on a manual clock. Replicas crash between any two steps and lose
 * races, the API server is unreachable for a while, and users delete the Secret.
 *
 * Invariant: no API server ever receives a serving certificate that it does not trust, even if it applies changes to
 * the caBundle late.
 */
import fc from 'fast-check';
import { CertificatePlan, type CertificateStep, type Observation, type ServingCertificateFacts } from './plan.ts';
import type { CaFacts } from './trusted-cas.ts';

const CA_LIFETIME_MS = 90_000;
const SERVING_CERTIFICATE_LIFETIME_MS = 30_000;
const SETTLE_MS = 3_000;
const TICK_MS = 100;
const RUN_MS = 600_000;

interface Replica {
  plan: CertificatePlan;
  servingCertificate: ServingCertificateFacts | undefined;
  /**
   * Stage of the replica between an observation and the next step. The simulation may change anything between two
   * stages.
   */
  stage:
    | { kind: 'observe' }
    | { kind: 'secret-observed'; secret: Observation['secret'] }
    | { kind: 'act'; step: CertificateStep }
    | { kind: 'rest'; untilMs: number };
  startedAtMs: number;
}

interface World {
  nowMs: number;
  secret: { version: number; ca: CaFacts } | undefined;
  /** Versions of the caBundle, each with the time at which a replica wrote it. */
  bundles: { sinceMs: number; version: number; cas: readonly CaFacts[] }[];
  version: number;
  casCreated: number;
  isUnreachable: boolean;
  replicas: Replica[];
}

type Random = () => number;

function newReplica(world: World, random: Random): Replica {
  const plan = new CertificatePlan({
    caLifetimeMs: CA_LIFETIME_MS,
    servingCertificateLifetimeMs: SERVING_CERTIFICATE_LIFETIME_MS,
    settleMs: SETTLE_MS,
    pollMs: 4_000,
    jitter: random(),
  });
  return { plan, servingCertificate: undefined, stage: { kind: 'observe' }, startedAtMs: world.nowMs };
}

function newWorld(random: Random, replicas: number): World {
  const world: World = {
    nowMs: 1_000_000,
    secret: undefined,
    bundles: [{ sinceMs: 0, version: 0, cas: [] }],
    version: 0,
    casCreated: 0,
    isUnreachable: false,
    replicas: [],
  };
  world.replicas = Array.from({ length: replicas }, () => newReplica(world, random));
  return world;
}

/** Returns a seeded random number generator (mulberry32). */
function seeded(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function momentOf(world: World): { nowMs: number; monotonicMs: number } {
  return { nowMs: world.nowMs, monotonicMs: world.nowMs - 999_000 };
}

function liveBundle(world: World): World['bundles'][number] {
  return world.bundles.at(-1) as World['bundles'][number];
}

/** Advances a replica of the simulation by one stage. */
function advance(world: World, replica: Replica): void {
  const { stage } = replica;
  if (stage.kind === 'rest') {
    replica.stage = world.nowMs >= stage.untilMs ? { kind: 'observe' } : stage;
    return;
  }
  if (stage.kind === 'act') {
    act(world, replica, stage.step);
    return;
  }
  if (world.isUnreachable) {
    replica.stage = { kind: 'act', step: replica.plan.nextUnobserved(momentOf(world)) };
    return;
  }
  if (stage.kind === 'observe') {
    const { secret } = world;
    replica.stage = {
      kind: 'secret-observed',
      secret:
        secret === undefined ? { kind: 'absent' } : { kind: 'ca', version: String(secret.version), ca: secret.ca },
    };
    return;
  }
  const bundle = liveBundle(world);
  const configuration = { version: String(bundle.version), bundles: [bundle.cas], isDamaged: false };
  const step = replica.plan.next({ secret: stage.secret, configuration }, momentOf(world));
  replica.stage = { kind: 'act', step };
}

function act(world: World, replica: Replica, step: CertificateStep): void {
  replica.stage = { kind: 'observe' };
  switch (step.kind) {
    case 'create-ca':
      if (!world.isUnreachable && world.secret === undefined) {
        writeCa(world);
      }
      break;
    case 'replace-ca':
      if (!world.isUnreachable && String(world.secret?.version) === step.version) {
        writeCa(world);
      }
      break;
    case 'patch-bundles':
      if (!world.isUnreachable && String(liveBundle(world).version) === step.version) {
        world.version += 1;
        world.bundles.push({ sinceMs: world.nowMs, version: world.version, cas: step.cas });
      }
      break;
    case 'sign-serving-certificate': {
      const expiresAtMs = Math.min(world.nowMs + SERVING_CERTIFICATE_LIFETIME_MS, expiryOf(world, step.caId));
      replica.servingCertificate = { caId: step.caId, signedAtMs: world.nowMs, expiresAtMs };
      replica.plan.signed(replica.servingCertificate);
      break;
    }
    case 'rest':
      replica.stage = { kind: 'rest', untilMs: world.nowMs + step.durationMs };
      break;
  }
}

const expiries = new Map<string, number>();

function expiryOf(_world: World, caId: string): number {
  return expiries.get(caId) ?? 0;
}

function writeCa(world: World): void {
  world.version += 1;
  world.casCreated += 1;
  const ca = {
    id: `ca-${world.version}`,
    createdAtMs: world.nowMs,
    expiresAtMs: world.nowMs + CA_LIFETIME_MS,
  };
  expiries.set(ca.id, ca.expiresAtMs);
  world.secret = { version: world.version, ca };
}

/** Returns the caBundles that an API server may use now if it applies changes within the settling time. */
function visibleBundles(world: World): World['bundles'] {
  const from = world.nowMs - SETTLE_MS + TICK_MS;
  return world.bundles.filter((_, index) => (world.bundles[index + 1]?.sinceMs ?? Number.POSITIVE_INFINITY) > from);
}

function brokenInvariant(world: World): string | undefined {
  for (const [index, replica] of world.replicas.entries()) {
    if (!replica.plan.isReady(momentOf(world))) {
      continue;
    }
    const { servingCertificate } = replica;
    if (servingCertificate === undefined || world.nowMs >= servingCertificate.expiresAtMs) {
      return `replica ${index} is ready without a valid serving certificate`;
    }
    for (const bundle of visibleBundles(world)) {
      if (!bundle.cas.some(({ id }) => id === servingCertificate.caId)) {
        return `replica ${index} serves ${servingCertificate.caId}, which is missing from a caBundle in use`;
      }
    }
  }
  return undefined;
}

interface Faults {
  crash: number;
  outage: number;
  deletion: number;
}

function run(seed: number, replicas: number, faults: Faults): { world: World; notReadyMs: number } {
  const random = seeded(seed);
  const world = newWorld(random, replicas);
  const settledMs = world.nowMs + 10_000;
  let notReadyMs = 0;
  for (const endMs = world.nowMs + RUN_MS; world.nowMs < endMs; world.nowMs += TICK_MS) {
    world.isUnreachable = world.isUnreachable ? random() > 0.02 : random() < faults.outage;
    if (random() < faults.deletion) {
      world.secret = undefined;
    }
    for (const [index, replica] of world.replicas.entries()) {
      if (random() < faults.crash) {
        world.replicas[index] = newReplica(world, random);
      } else if (random() < 0.7) {
        advance(world, replica);
      }
      const problem = brokenInvariant(world);
      if (problem !== undefined) {
        throw new Error(`seed ${seed}, ${world.nowMs - 1_000_000} ms: ${problem}`);
      }
    }
    const isOld = (replica: Replica): boolean => world.nowMs - replica.startedAtMs > 10_000;
    if (world.nowMs > settledMs && world.replicas.some((r) => isOld(r) && !r.plan.isReady(momentOf(world)))) {
      notReadyMs += TICK_MS;
    }
  }
  return { world, notReadyMs };
}

const seeds = fc.integer();

test('API servers trust every ready replica through crashes, races, outages and deletions of the Secret', () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 1, max: 4 }), (seed, replicas) => {
      run(seed, replicas, { crash: 0.002, outage: 0.001, deletion: 0.0005 });
    }),
    { numRuns: 40 },
  );
});

test('keeps every replica ready and creates one CA per rotation when nothing fails', () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 1, max: 4 }), (seed, replicas) => {
      const { world, notReadyMs } = run(seed, replicas, { crash: 0, outage: 0, deletion: 0 });
      expect(notReadyMs).toBe(0);
      const rotations = RUN_MS / (CA_LIFETIME_MS * (2 / 3));
      expect(world.casCreated).toBeGreaterThanOrEqual(Math.floor(rotations * 0.85));
      expect(world.casCreated).toBeLessThanOrEqual(Math.ceil(rotations) + 1);
      for (const { cas } of world.bundles) {
        expect(cas.length).toBeLessThanOrEqual(3);
      }
    }),
    { numRuns: 15 },
  );
});

test('keeps the other replicas ready when replicas crash and the Secret is deleted', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const { notReadyMs } = run(seed, 3, { crash: 0.001, outage: 0, deletion: 0.0005 });
      expect(notReadyMs).toBe(0);
    }),
    { numRuns: 15 },
  );
});

describe('one replica', () => {
  const timing = {
    caLifetimeMs: 90_000,
    servingCertificateLifetimeMs: 30_000,
    settleMs: 3_000,
    pollMs: 5_000,
    jitter: 0,
  };
  const ca = { id: 'a', createdAtMs: 0, expiresAtMs: 90_000 };
  const foreign = { id: 's', createdAtMs: -1, expiresAtMs: 1_000_000 };
  const secret = { kind: 'ca', version: '1', ca } as const;
  const at = (ms: number) => ({ nowMs: ms, monotonicMs: ms });

  test('creates a missing CA and replaces an unusable one', () => {
    const plan = new CertificatePlan(timing);
    expect(plan.next({ secret: { kind: 'absent' }, configuration: undefined }, at(0))).toEqual({
      kind: 'create-ca',
    });
    expect(plan.next({ secret: { kind: 'unusable', version: '7' }, configuration: undefined }, at(0))).toEqual({
      kind: 'replace-ca',
      version: '7',
    });
  });

  test('adds its CA to a caBundle and keeps unexpired CAs of others', () => {
    const plan = new CertificatePlan(timing);
    const configuration = { version: '3', bundles: [[foreign], []], isDamaged: false };
    const step = plan.next({ secret, configuration }, at(1_000));
    expect(step).toEqual({ kind: 'patch-bundles', version: '3', cas: [foreign, ca] });
  });

  test('is ready only after every caBundle has contained its CA for the settling time', () => {
    const plan = new CertificatePlan(timing);
    plan.signed({ caId: 'a', signedAtMs: 0, expiresAtMs: 30_000 });
    plan.next({ secret, configuration: { version: '3', bundles: [[ca], []], isDamaged: false } }, at(0));
    expect(plan.isReady(at(10_000))).toBe(false);
    plan.next({ secret, configuration: { version: '4', bundles: [[ca], [ca]], isDamaged: false } }, at(11_000));
    expect(plan.isReady(at(13_999))).toBe(false);
    expect(plan.isReady(at(14_000))).toBe(true);
    expect(plan.isReady(at(30_000))).toBe(false);
  });

  test('adds the CA of its serving certificate to an emptied caBundle', () => {
    const plan = new CertificatePlan(timing);
    const old = { id: 'old', createdAtMs: -50_000, expiresAtMs: 40_000 };
    plan.next({ secret: { ...secret, ca: old }, configuration: undefined }, at(0));
    plan.signed({ caId: 'old', signedAtMs: 0, expiresAtMs: 30_000 });
    const step = plan.next({ secret, configuration: { version: '9', bundles: [[]], isDamaged: false } }, at(1_000));
    expect(step).toMatchObject({ cas: [old, ca] });
    expect(plan.isReady(at(5_000))).toBe(false);
  });

  test('renews the serving certificate with a known CA while the API server is unreachable', () => {
    const plan = new CertificatePlan(timing);
    plan.next({ secret, configuration: { version: '4', bundles: [[ca]], isDamaged: false } }, at(0));
    plan.signed({ caId: 'a', signedAtMs: 0, expiresAtMs: 30_000 });
    expect(plan.nextUnobserved(at(19_000)).kind).toBe('rest');
    expect(plan.nextUnobserved(at(21_000))).toEqual({ kind: 'sign-serving-certificate', caId: 'a' });
  });
});
