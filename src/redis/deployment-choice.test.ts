/**
 * Tests the choice of the deployment from simulated reports. The reports include masters that do or do not continue a
 * history, silent servers, and Clusters with known and unknown node ids.
 */
import { seededRandom } from '../../test/support/seeded-random.ts';
import { addressText, type NodeAddress } from './address.ts';
import { type Choice, chooseDeployment, type Deployment, isUsable, type Round } from './deployment-choice.ts';
import type { ServerReport, StandaloneReport } from './server-report.ts';
import { SLOT_COUNT, Topology } from './topology.ts';

const [A, B, C] = ['a', 'b', 'c'].map((host) => ({ host, port: 1 })) as [NodeAddress, NodeAddress, NodeAddress];
const SEEDS = [A, B];
const NOW_MS = 1_000_000;

function master(address: NodeAddress, replid?: string, replid2?: string): StandaloneReport {
  return { kind: 'standalone', address, role: 'master', replid, replid2 };
}

function replica(address: NodeAddress, replid?: string): StandaloneReport {
  return { kind: 'standalone', address, role: 'replica', replid, replid2: undefined };
}

function cluster(address: NodeAddress, ...ids: readonly string[]): ServerReport {
  const ranges = ids.map((id) => [0, SLOT_COUNT - 1, [address.host, address.port, id]]);
  return { kind: 'cluster', address, topology: Topology.fromClusterSlots(ranges, address.host) };
}

interface Given {
  readonly seeds?: readonly NodeAddress[];
  readonly reports?: readonly ServerReport[];
  /** Earlier reports from servers that do not answer in this round. */
  readonly earlier?: readonly { readonly report: ServerReport; readonly agoMs: number }[];
  readonly pending?: readonly NodeAddress[];
  readonly nowMs?: number;
}

function round({ seeds = SEEDS, reports = [], earlier = [], pending = [], nowMs = NOW_MS }: Given): Round {
  const seen = new Map(
    earlier.map(({ report, agoMs }) => [addressText(report.address), { report, atMs: nowMs - agoMs }]),
  );
  for (const report of reports) {
    seen.set(addressText(report.address), { report, atMs: nowMs });
  }
  return { nowMs, startedAtMs: nowMs - 1, seeds, pending: new Set(pending.map(addressText)), seen };
}

function undecided(sinceMs = NOW_MS): Deployment {
  return { kind: 'undecided', sinceMs };
}

function using(address: NodeAddress, ...history: readonly string[]): Deployment {
  return { kind: 'standalone', master: address, history };
}

/** Returns the deployment in use after the choice: an address, or `Cluster` with its node ids. */
function outcome({ deployment }: Choice): string | undefined {
  switch (deployment.kind) {
    case 'undecided':
      return undefined;
    case 'standalone':
      return addressText(deployment.master);
    case 'cluster':
      return `Cluster ${[...deployment.nodeIds].join()}`;
  }
}

describe('at start', () => {
  test('uses the single master if every seed answers', () => {
    const choice = chooseDeployment(undecided(), round({ reports: [replica(A, 'x'), master(B, 'x')] }));
    expect([outcome(choice), choice.change]).toEqual(['b:1', { cause: 'started', silent: [] }]);
  });

  test('decides nothing while a seed may still answer in this round', () => {
    const choice = chooseDeployment(undecided(0), round({ reports: [master(A, 'x')], pending: [B] }));
    expect([outcome(choice), choice.isFinal]).toEqual([undefined, false]);
  });

  test.each([9_999, 10_000])(
    'waits 10 s for a silent seed (after %d ms), then uses the master and names the seed',
    (waitedMs) => {
      const choice = chooseDeployment(undecided(NOW_MS - waitedMs), round({ reports: [master(A, 'x')] }));
      if (waitedMs < 10_000) {
        expect([outcome(choice), choice.recheckAtMs]).toEqual([undefined, NOW_MS + 1]);
        expect(choice.notice).toEqual({ kind: 'waiting_for_seeds', master: 'a:1', silent: ['b:1'] });
      } else {
        expect([outcome(choice), choice.change]).toEqual(['a:1', { cause: 'started', silent: ['b:1'] }]);
      }
    },
  );

  test('rejects two masters until one has been silent for 10 s, even if it stalls', () => {
    const long = undecided(0);
    const conflict = { kind: 'several_masters', masters: ['a:1', 'b:1'] };
    const both = chooseDeployment(long, round({ reports: [master(A, 'x'), master(B, 'y')] }));
    expect([outcome(both), both.notice]).toEqual([undefined, conflict]);
    for (const agoMs of [400, 9_999]) {
      const earlier = [{ report: master(A, 'x'), agoMs }];
      const stalled = chooseDeployment(long, round({ reports: [master(B, 'y')], earlier }));
      expect([outcome(stalled), stalled.notice]).toEqual([undefined, conflict]);
    }
    const earlier = [{ report: master(A, 'x'), agoMs: 10_000 }];
    expect(outcome(chooseDeployment(long, round({ reports: [master(B, 'y')], earlier })))).toBe('b:1');
  });

  test('uses the other master at once if one becomes a replica', () => {
    expect(outcome(chooseDeployment(undecided(), round({ reports: [master(A, 'x'), replica(B, 'x')] })))).toBe('a:1');
  });

  test('rejects two servers that do not report their roles', () => {
    const unknown = [A, B].map((address) => ({ ...master(address), role: 'unknown' as const }));
    expect(outcome(chooseDeployment(undecided(0), round({ reports: unknown })))).toBeUndefined();
    expect(outcome(chooseDeployment(undecided(), round({ seeds: [A], reports: unknown.slice(0, 1) })))).toBe('a:1');
  });

  test('treats two names of one server as one master', () => {
    expect(outcome(chooseDeployment(undecided(), round({ reports: [master(A, 'x'), master(B, 'x')] })))).toBe('a:1');
  });

  test('uses a Cluster at once, even if other seeds are silent', () => {
    const choice = chooseDeployment(undecided(), round({ reports: [cluster(A, 'n1')], pending: [B] }));
    expect([outcome(choice), choice.isFinal]).toEqual(['Cluster n1', true]);
  });
});

describe('a standalone master in use', () => {
  test.each([
    ['dead', []],
    ['a replica now', [replica(A, 'y')]],
    ['still a master', [master(A, 'x')]],
  ])('is replaced at once by the master that continues its history (the old server is %s)', (_, own) => {
    const choice = chooseDeployment(using(A, 'x'), round({ reports: [...own, master(B, 'y', 'x')] }));
    expect([outcome(choice), choice.change]).toEqual(['b:1', { cause: 'failover', from: 'a:1' }]);
  });

  test('is never replaced by an unrelated master, however long it is silent', () => {
    for (const reports of [[], [replica(A, 'y')], [master(A, 'x')]]) {
      const choice = chooseDeployment(using(A, 'x'), round({ reports: [...reports, master(B, 'y', 'z')] }));
      expect(outcome(choice)).toBe('a:1');
      expect(choice.notice).toMatchObject({ ignored: ['b:1'] });
    }
  });

  test('is followed along a chain of failovers, and its old address is not used again', () => {
    let deployment = using(A, 'x');
    for (const reports of [
      [master(B, 'y', 'x')],
      [master(B, 'y', 'x'), master(A, 'z')],
      [master(B, 'y', 'x'), master(A, 'z', 'x')],
      [master(C, 'w', 'y'), master(A, 'z', 'x')],
    ]) {
      deployment = chooseDeployment(deployment, round({ seeds: [A, B, C], reports })).deployment;
    }
    expect(deployment).toEqual(using(C, 'w'));
  });

  test('stays in use after a restart, and is replaced by a replica that continues its earlier history', () => {
    const restarted = chooseDeployment(using(A, 'x'), round({ reports: [master(A, 'z')] }));
    expect(restarted.deployment).toEqual(using(A, 'z', 'x'));
    const choice = chooseDeployment(restarted.deployment, round({ reports: [master(A, 'z'), master(B, 'y', 'x')] }));
    expect(choice.deployment).toEqual(using(B, 'y'));
  });

  test('stays in use if two masters continue its history', () => {
    const reports = [master(B, 'y', 'x'), master(C, 'w', 'x')];
    const choice = chooseDeployment(using(A, 'x'), round({ seeds: [A, B, C], reports }));
    expect([outcome(choice), choice.notice]).toEqual([
      'a:1',
      { kind: 'master_lost', master: 'a:1', isReplica: false, ignored: ['b:1', 'c:1'] },
    ]);
  });

  test('keeps reporting a conflict with another master while either stalls', () => {
    const conflict = { kind: 'other_masters', master: 'a:1', ignored: ['b:1'] };
    const [own, other] = [master(A, 'x'), master(B, 'y')];
    for (const [reports, earlier] of [
      [[own, other], []],
      [[own], [{ report: other, agoMs: 400 }]],
      [[other], [{ report: own, agoMs: 400 }]],
    ] as const) {
      expect(chooseDeployment(using(A, 'x'), round({ reports, earlier })).notice).toEqual(conflict);
    }
    const late = round({ reports: [own], earlier: [{ report: other, agoMs: 10_000 }] });
    expect(chooseDeployment(using(A, 'x'), late).notice).toBeUndefined();
  });

  test('is replaced by any master or Cluster at its name if it is the only seed', () => {
    const seeds = [A];
    expect(chooseDeployment(using(A, 'x'), round({ seeds, reports: [master(A, 'q')] })).topology).toBeDefined();
    expect(chooseDeployment(using(A, 'x'), round({ seeds, reports: [replica(A, 'q')] })).topology).toBeUndefined();
    expect(outcome(chooseDeployment(using(A, 'x'), round({ seeds, reports: [cluster(A, 'n1')] })))).toBe('Cluster n1');
  });
});

describe('a Cluster in use', () => {
  const current: Deployment = { kind: 'cluster', nodeIds: new Set(['n1', 'n2']), unknownSinceMs: undefined };
  const long: Deployment = { ...current, unknownSinceMs: NOW_MS - 30_000 };

  test('is followed to new addresses by the ids of its nodes', () => {
    const choice = chooseDeployment(current, round({ reports: [cluster(C, 'n2', 'n3')] }));
    expect([outcome(choice), choice.isFinal]).toEqual(['Cluster n2,n3', true]);
  });

  test.each([
    ['a standalone master', master(C, 'x')],
    ['a node of another Cluster', cluster(C, 'm1')],
  ])('is never replaced by %s at the address of a node that is not a seed', (_, foreign) => {
    const choice = chooseDeployment(long, round({ reports: [foreign] }));
    expect([outcome(choice), choice.topology]).toEqual(['Cluster n1,n2', undefined]);
    expect(choice.notice).toEqual({ kind: 'foreign_servers', servers: ['c:1'] });
  });

  test('keeps the same notice while rounds query different foreign and dead addresses', () => {
    const notices = [
      round({ reports: [master(A, 'x')], earlier: [{ report: cluster(C, 'n1'), agoMs: 5_000 }] }),
      round({ reports: [master(B, 'y')], earlier: [{ report: master(A, 'x'), agoMs: 200 }] }),
      round({
        earlier: [
          { report: master(B, 'y'), agoMs: 200 },
          { report: master(A, 'x'), agoMs: 400 },
        ],
      }),
      round({ earlier: [{ report: master(B, 'y'), agoMs: 10_000 }] }),
    ].map((each) => chooseDeployment(current, each).notice);
    const kind = 'foreign_servers';
    expect(notices).toEqual([
      { kind, servers: ['a:1'] },
      { kind, servers: ['a:1', 'b:1'] },
      { kind, servers: ['a:1', 'b:1'] },
      undefined,
    ]);
  });

  test('is replaced if no known node has answered for 30 s and every seed leads to the same deployment', () => {
    const reports = [cluster(A, 'm1', 'm2'), cluster(B, 'm2', 'm1')];
    const early = { ...current, unknownSinceMs: NOW_MS - 29_999 };
    expect(outcome(chooseDeployment(early, round({ reports })))).toBe('Cluster n1,n2');
    const choice = chooseDeployment(long, round({ reports }));
    expect([outcome(choice), choice.change]).toEqual(['Cluster m1,m2', { cause: 'replaced' }]);
    const standalone = chooseDeployment(long, round({ reports: [master(A, 'x'), replica(B, 'x')] }));
    expect([outcome(standalone), standalone.change]).toEqual(['a:1', { cause: 'replaced' }]);
  });

  test.each([
    ['one seed is silent', [cluster(A, 'm1')]],
    ['the seeds lead to different Clusters', [cluster(A, 'm1'), cluster(B, 'l1')]],
    ['the seeds are of different kinds', [master(A, 'x'), cluster(B, 'm1')]],
    ['the seeds are two masters', [master(A, 'x'), master(B, 'y')]],
    ['a seed refuses CLUSTER', [{ ...master(A, 'x'), refusesCluster: true as const }, replica(B, 'x')]],
    ['a known node answers', [cluster(A, 'm1'), cluster(B, 'm1'), cluster(C, 'n1')]],
  ])('is not replaced if %s', (_, reports) => {
    const choice = chooseDeployment(long, round({ reports }));
    expect(choice.deployment.kind === 'cluster' && choice.deployment.nodeIds.has('n1')).toBe(true);
  });

  test('counts the 30 s from the first round without a known node', () => {
    const first = chooseDeployment(current, round({}));
    expect(first.deployment).toEqual({ ...current, unknownSinceMs: NOW_MS });
    const known = chooseDeployment(first.deployment, round({ reports: [cluster(A, 'n1')], nowMs: NOW_MS + 1 }));
    expect(known.deployment).toMatchObject({ unknownSinceMs: undefined });
  });
});

test('sends commands only to servers of the deployment', () => {
  const current: Deployment = { kind: 'cluster', nodeIds: new Set(['n1']), unknownSinceMs: undefined };
  const reports = [cluster(A, 'n1', 'n2'), cluster(A, 'm1'), master(A, 'x'), replica(A, 'x')];
  expect(reports.map((report) => isUsable(current, report))).toEqual([true, false, false, false]);
  expect(reports.map((report) => isUsable(using(A, 'y'), report))).toEqual([false, false, true, false]);
});

test('never uses an unrelated master or chooses between two, and its outcome is independent of the order of random reports', () => {
  const random = seededRandom(20_261_129);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const seeds = [A, B, C];
  const ids = ['x', 'y', 'z', undefined];
  const draw = (address: NodeAddress): StandaloneReport | undefined =>
    pick([undefined, replica(address, pick(ids)), master(address, pick(ids), pick(ids)), master(address, pick(ids))]);
  for (let run = 0; run < 3_000; run += 1) {
    const drawn = seeds.map(draw);
    const reports = drawn.filter((report) => report !== undefined);
    const current = pick<Deployment>([undecided(NOW_MS - 20_000), using(A, 'x'), using(B, 'y', 'x')]);
    const whole = chooseDeployment(current, round({ seeds, reports }));
    const masters = reports.filter(({ role }) => role === 'master');
    const isOneServer = masters.every(({ replid }) => replid !== undefined && replid === masters[0]?.replid);
    if (current.kind === 'undecided' && whole.deployment.kind === 'standalone') {
      expect(masters.length === 1 || isOneServer).toBe(true);
    }
    if (current.kind === 'standalone' && whole.change !== undefined) {
      const next = reports.find((report) => addressText(report.address) === outcome(whole));
      const own = reports.find((report) => report.address === current.master);
      const known = [...current.history, own?.replid].filter((id) => id !== undefined);
      expect(known.includes(next?.replid2 as string) || (own === undefined && next?.replid === known[0])).toBe(true);
    }
    // The servers answer or fail one at a time.
    let deployment = current;
    const order = [...seeds].sort(() => random() - 0.5);
    for (let answered = 1; answered <= order.length; answered += 1) {
      const [heard, pending] = [order.slice(0, answered), order.slice(answered)];
      const known = reports.filter(({ address }) => heard.includes(address));
      const choice = chooseDeployment(deployment, round({ seeds, reports: known, pending }));
      deployment = choice.deployment;
      if (choice.isFinal) {
        break;
      }
    }
    const names = [deployment, whole.deployment].map((one) => outcome({ deployment: one, isFinal: true }));
    expect({ drawn, current, name: names[0] }).toEqual({ drawn, current, name: names[1] });
  }
});
