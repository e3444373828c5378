/**
 * What CLUSTER SLOTS answers, as a table of owners, and what MOVED corrects in it.
 */
import { createAddressMap } from './address-map.ts';
import { SLOT_COUNT, Topology } from './topology.ts';

const reply = [
  [0, 99, ['10.0.0.1', 7000, 'id-a'], ['10.0.0.4', 7003, 'id-d']],
  [100, 100, ['10.0.0.2', 7001, 'id-b']],
  [200, SLOT_COUNT - 1, ['10.0.0.1', 7000, 'id-a'], ['10.0.0.4', 7003, 'id-d']],
];

describe('CLUSTER SLOTS', () => {
  test('ranges hold both of their ends, and what no range holds nobody owns', () => {
    const topology = Topology.fromClusterSlots(reply, 'asked');
    const owners = [0, 99, 100, 101, 199, 200, SLOT_COUNT - 1].map((slot) => topology.ownerOf(slot));
    const [first, second] = ['10.0.0.1:7000', '10.0.0.2:7001'];
    expect(owners).toEqual([first, first, second, undefined, undefined, first, first]);
    expect(topology.ownerOf(SLOT_COUNT)).toBeUndefined();
  });

  test('masters are named once, replicas among the nodes only', () => {
    const topology = Topology.fromClusterSlots(reply, 'asked');
    expect([...topology.masters().keys()]).toEqual(['10.0.0.1:7000', '10.0.0.2:7001']);
    expect([...topology.nodes().keys()].sort()).toEqual(['10.0.0.1:7000', '10.0.0.2:7001', '10.0.0.4:7003']);
  });

  test.each([[null], [''], ['?'], [Buffer.from('')]])('a host of %j is the one that was asked', (host) => {
    const topology = Topology.fromClusterSlots([[0, 10, [host, 7000, 'id']]], 'asked');
    expect(topology.masters().get('asked:7000')).toEqual({ host: 'asked', port: 7000 });
  });

  test('a node that shall be called by a name and has none is reached at its address', () => {
    const reply = [
      [0, 5, [Buffer.from('?'), 7000, 'id', { ip: Buffer.from('10.0.0.1') }]],
      [6, 9, [Buffer.from('?'), 7000, 'id', { ip: Buffer.from('10.0.0.2') }]],
      [10, 10, ['?', 7000, 'id', { ip: '' }]],
    ];
    const topology = Topology.fromClusterSlots(reply, 'asked');
    expect([0, 6, 10].map((slot) => topology.ownerOf(slot))).toEqual(['10.0.0.1:7000', '10.0.0.2:7000', 'asked:7000']);
  });

  test('masters and replicas have the addresses to which the address map leads', () => {
    const addressMap = createAddressMap([
      { announced: { host: '10.0.0.1', port: undefined }, reachable: { host: 'a.example', port: undefined } },
      { announced: { host: '10.0.0.4', port: 7003 }, reachable: { host: 'd.example', port: 6379 } },
    ]);
    const topology = Topology.fromClusterSlots(reply, 'asked', addressMap);
    expect([...topology.masters().keys()]).toEqual(['a.example:7000', '10.0.0.2:7001']);
    expect([...topology.nodes().keys()].sort()).toEqual(['10.0.0.2:7001', 'a.example:7000', 'd.example:6379']);
    expect([0, 100].map((slot) => topology.ownerOf(slot))).toEqual(['a.example:7000', '10.0.0.2:7001']);
  });

  test('hosts come as bytes too, with what newer servers add behind the id', () => {
    const topology = Topology.fromClusterSlots([[0, 10, [Buffer.from('h'), 7000, Buffer.from('id'), []]]], 'asked');
    expect(topology.ownerOf(10)).toBe('h:7000');
  });

  test('no slots are an empty topology; another form is refused', () => {
    expect(Topology.fromClusterSlots([], 'asked').isEmpty).toBe(true);
    for (const wrong of ['OK', null, [1], [[0, 10, 'h:7000']], [[0, 10]]]) {
      expect(() => Topology.fromClusterSlots(wrong, 'asked')).toThrow('cannot read the cluster topology');
    }
  });
});

test('MOVED corrects one slot, and makes a master known', () => {
  const topology = Topology.fromClusterSlots(reply, 'asked');
  topology.assign(50, { host: '10.0.0.9', port: 7009 });
  expect([49, 50, 51].map((slot) => topology.ownerOf(slot))).toEqual([
    '10.0.0.1:7000',
    '10.0.0.9:7009',
    '10.0.0.1:7000',
  ]);
  expect(topology.masters().has('10.0.0.9:7009')).toBe(true);
});

test('a standalone server owns all slots; an empty topology none', () => {
  const topology = Topology.standalone({ host: 'h', port: 1 });
  expect([0, SLOT_COUNT - 1].map((slot) => topology.ownerOf(slot))).toEqual(['h:1', 'h:1']);
  expect(Topology.empty().isEmpty).toBe(true);
  expect(Topology.empty().ownerOf(0)).toBeUndefined();
});

test('ids of masters and replicas are known, and a copy is corrected alone', () => {
  const topology = Topology.fromClusterSlots(reply, 'asked');
  expect([...topology.nodeIds()].sort()).toEqual(['id-a', 'id-b', 'id-d']);
  const copy = topology.copy();
  copy.assign(50, { host: '10.0.0.9', port: 7009 });
  expect([topology.ownerOf(50), copy.ownerOf(50)]).toEqual(['10.0.0.1:7000', '10.0.0.9:7009']);
  expect([copy.isWhole, [...copy.nodes().keys()].length, copy.nodeIds().size]).toEqual([false, 4, 3]);
});
