/**
 * Addresses, the slot table and the table of refusals: what is read from Redis' own words.
 */
import { addressText, parseAddressText, parseSeed } from './address.ts';
import { serverCodeOf, storeErrorOf } from './server-error.ts';
import { Topology } from './topology.ts';

describe('seeds', () => {
  test('with and without port, user, password and TLS', () => {
    expect(parseSeed('redis://r')).toEqual({
      host: 'r',
      port: 6379,
      isTls: false,
      username: undefined,
      password: undefined,
    });
    expect(parseSeed('rediss://u%40x:p%2Fw@[::1]:7000/0')).toEqual({
      host: '::1',
      port: 7000,
      isTls: true,
      username: 'u@x',
      password: 'p/w',
    });
  });

  test.each([
    ['nonsense', /it is no URL/],
    ['http://r:1', /its scheme is http:/],
    ['redis://r:1/3', /it selects a database/],
  ])('%s is refused', (text, wanted) => {
    expect(() => parseSeed(text)).toThrow(wanted);
  });

  test('a refusal does not repeat the password', () => {
    for (const text of ['redis://u:canary@r:1/3', 'http://u:canary@r', 'redis://u:canary@r:99999999']) {
      expect(() => parseSeed(text)).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining('canary') }),
      );
    }
  });
});

test('addresses of MOVED and ASK, IPv6 and empty hosts too', () => {
  expect(parseAddressText('10.0.0.1:7001', 'asked')).toEqual({ host: '10.0.0.1', port: 7001 });
  expect(parseAddressText(':7001', 'asked')).toEqual({ host: 'asked', port: 7001 });
  expect(parseAddressText('?:7001', 'asked')).toEqual({ host: 'asked', port: 7001 });
  expect(parseAddressText('fd00::1:7001', 'asked')).toEqual({ host: 'fd00::1', port: 7001 });
  expect(addressText(parseAddressText('[fd00::1]:7001', 'asked'))).toBe('[fd00::1]:7001');
});

describe('the topology', () => {
  const reply = [
    [0, 5460, ['a', 1, 'id', []], ['d', 4, 'id', []]],
    [5461, 10922, [null, 2, 'id', []]],
    [10923, 16382, [Buffer.from(''), 3, 'id', []]],
  ];

  test('is read from CLUSTER SLOTS; a host that is not told is the one that was asked', () => {
    const topology = Topology.fromClusterSlots(reply, 'asked');
    expect([0, 5460, 5461, 10922, 10923, 16382].map((slot) => topology.ownerOf(slot))).toEqual([
      'a:1',
      'a:1',
      'asked:2',
      'asked:2',
      'asked:3',
      'asked:3',
    ]);
    expect(topology.ownerOf(16383)).toBeUndefined();
    expect([...topology.masters().keys()]).toEqual(['a:1', 'asked:2', 'asked:3']);
    expect([...topology.nodes().keys()].sort()).toEqual(['a:1', 'asked:2', 'asked:3', 'd:4']);
  });

  test('is corrected by MOVED, one slot at a time', () => {
    const topology = Topology.fromClusterSlots(reply, 'asked');
    topology.assign(7, { host: 'e', port: 5 });
    expect([6, 7, 8].map((slot) => topology.ownerOf(slot))).toEqual(['a:1', 'e:5', 'a:1']);
    expect(topology.masters().get('e:5')).toEqual({ host: 'e', port: 5 });
  });

  test('of a standalone server is one master for all slots', () => {
    const topology = Topology.standalone({ host: 'r', port: 6379 });
    expect([0, 16383].map((slot) => topology.ownerOf(slot))).toEqual(['r:6379', 'r:6379']);
    expect(Topology.empty().isEmpty).toBe(true);
  });

  test('an answer of another form throws', () => {
    expect(() => Topology.fromClusterSlots('what', 'asked')).toThrow(/unknown form/);
    expect(() => Topology.fromClusterSlots([[0, 1]], 'asked')).toThrow(/unknown form/);
  });
});

describe('refusals', () => {
  test.each([
    ["OOM command not allowed when used memory > 'maxmemory'.", 'unavailable', 'OOM'],
    ['MISCONF Redis is configured to save RDB snapshots', 'unavailable', 'MISCONF'],
    ["READONLY You can't write against a read only replica.", 'unavailable', 'READONLY'],
    ['LOADING Redis is loading the dataset in memory', 'unavailable', 'LOADING'],
    ['BUSY Redis is busy running a script.', 'unavailable', 'BUSY'],
    ['NOREPLICAS Not enough good replicas to write.', 'unavailable', 'NOREPLICAS'],
    ['CLUSTERDOWN Hash slot not served', 'unavailable', 'CLUSTERDOWN'],
    ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", 'unavailable', 'MASTERDOWN'],
    ['TRYAGAIN Multiple keys request during rehashing of slot', 'unavailable', 'TRYAGAIN'],
    ["NOPERM this user has no permissions to run the 'get' command", 'forbidden', 'NOPERM'],
    ['NOAUTH Authentication required.', 'forbidden', 'NOAUTH'],
    ['WRONGPASS invalid username-password pair or user is disabled.', 'forbidden', 'WRONGPASS'],
    ['WRONGTYPE Operation against a key holding the wrong kind of value', 'forbidden', 'WRONGTYPE'],
    ["ERR unknown command 'SPUBLISH', with args beginning with: 'canary'", 'forbidden', 'ERR'],
    ['ERR user_script:1: attempt to index canary', 'unknown', 'ERR'],
  ])('%s', (message, kind, code) => {
    const error = storeErrorOf(new Error(message));
    expect(error).toMatchObject({ kind, serverCode: code });
    expect(error.message).not.toContain('canary');
    expect(serverCodeOf(message)).toBe(code);
  });
});
