/**
 * Tests the slot table parsed from CLUSTER SLOTS, and its correction by MOVED.
 */
import { createAddressMap } from './address-map.ts';
import { SLOT_COUNT, Topology } from './topology.ts';

const reply = [
  [0, 99, ['10.0.0.1', 7000, 'id-a'], ['10.0.0.4', 7003, 'id-d']],
  [100, 100, ['10.0.0.2', 7001, 'id-b']],
  [200, SLOT_COUNT - 1, ['10.0.0.1', 7000, 'id-a'], ['10.0.0.4', 7003, 'id-d']],
];

describe('CLUSTER SLOTS', () => {
  test('includes both ends of a range, and leaves slots outside of all ranges without an owner', () => {
    const topology = Topology.fromClusterSlots(reply, 'asked');
    const owners = [0, 99, 100, 101, 199, 200, SLOT_COUNT - 1].map((slot) => topology.ownerOf(slot));
    const [first, second] = ['10.0.0.1:7000', '10.0.0.2:7001'];
    expect(owners).toEqual([first, first, second, undefined, undefined, first, first]);
    expect(topology.ownerOf(SLOT_COUNT)).toBeUndefined();
  });

  test('lists masters once, and replicas only among the nodes', () => {
    const topology = Topology.fromClusterSlots(reply, 'asked');
    expect([...topology.masters().keys()]).toEqual(['10.0.0.1:7000', '10.0.0.2:7001']);
    expect([...topology.nodes().keys()].sort()).toEqual(['10.0.0.1:7000', '10.0.0.2:7001', '10.0.0.4:7003']);
  });

  test.each([[null], [''], ['?'], [Buffer.from('')]])('replaces a host of %j by the host that was queried', (host) => {
    const topology = Topology.fromClusterSlots([[0, 10, [host, 7000, 'id']]], 'asked');
    expect(topology.masters().get('asked:7000')).toEqual({ host: 'asked', port: 7000 });
  });

  test('uses the address of a node that prefers a host name but has none', () => {
    const reply = [
      [0, 5, [Buffer.from('?'), 7000, 'id', { ip: Buffer.from('10.0.0.1') }]],
      [6, 9, [Buffer.from('?'), 7000, 'id', { ip: Buffer.from('10.0.0.2') }]],
      [10, 10, ['?', 7000, 'id', { ip: '' }]],
    ];
    const topology = Topology.fromClusterSlots(reply, 'asked');
    expect([0, 6, 10].map((slot) => topology.ownerOf(slot))).toEqual(['10.0.0.1:7000', '10.0.0.2:7000', 'asked:7000']);
  });

  test('applies the address map to masters and replicas', () => {
    const addressMap = createAddressMap([
      { announced: { host: '10.0.0.1', port: undefined }, reachable: { host: 'a.example', port: undefined } },
      { announced: { host: '10.0.0.4', port: 7003 }, reachable: { host: 'd.example', port: 6379 } },
    ]);
    const topology = Topology.fromClusterSlots(reply, 'asked', addressMap);
    expect([...topology.masters().keys()]).toEqual(['a.example:7000', '10.0.0.2:7001']);
    expect([...topology.nodes().keys()].sort()).toEqual(['10.0.0.2:7001', 'a.example:7000', 'd.example:6379']);
    expect([0, 100].map((slot) => topology.ownerOf(slot))).toEqual(['a.example:7000', '10.0.0.2:7001']);
  });

  test('accepts hosts as bytes, and metadata of newer servers after the id', () => {
    const topology = Topology.fromClusterSlots([[0, 10, [Buffer.from('h'), 7000, Buffer.from('id'), []]]], 'asked');
    expect(topology.ownerOf(10)).toBe('h:7000');
  });

  test('is empty without slots, and rejects other forms', () => {
    expect(Topology.fromClusterSlots([], 'asked').isEmpty).toBe(true);
    for (const wrong of ['OK', null, [1], [[0, 10, 'h:7000']], [[0, 10]]]) {
      expect(() => Topology.fromClusterSlots(wrong, 'asked')).toThrow('cannot read the cluster topology');
    }
  });
});

test('corrects one slot and adds the master on MOVED', () => {
  const topology = Topology.fromClusterSlots(reply, 'asked');
  topology.assign(50, { host: '10.0.0.9', port: 7009 });
  expect([49, 50, 51].map((slot) => topology.ownerOf(slot))).toEqual([
    '10.0.0.1:7000',
    '10.0.0.9:7009',
    '10.0.0.1:7000',
  ]);
  expect(topology.masters().has('10.0.0.9:7009')).toBe(true);
});

test('gives all slots to a standalone server, and none in an empty topology', () => {
  const topology = Topology.standalone({ host: 'h', port: 1 });
  expect([0, SLOT_COUNT - 1].map((slot) => topology.ownerOf(slot))).toEqual(['h:1', 'h:1']);
  expect(Topology.empty().isEmpty).toBe(true);
  expect(Topology.empty().ownerOf(0)).toBeUndefined();
});

test('knows the ids of masters and replicas, and corrects a copy independently', () => {
  const topology = Topology.fromClusterSlots(reply, 'asked');
  expect([...topology.nodeIds()].sort()).toEqual(['id-a', 'id-b', 'id-d']);
  const copy = topology.copy();
  copy.assign(50, { host: '10.0.0.9', port: 7009 });
  expect([topology.ownerOf(50), copy.ownerOf(50)]).toEqual(['10.0.0.1:7000', '10.0.0.9:7009']);
  expect([copy.isWhole, [...copy.nodes().keys()].length, copy.nodeIds().size]).toEqual([false, 4, 3]);
});
