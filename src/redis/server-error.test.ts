/**
 * Tests which StoreError results from each error text of Redis servers.
 */
import { SERVER_CODES, serverCodeOf, storeErrorOf } from './server-error.ts';

const SECRET = 'a-users-key';

test.each([
  ["OOM command not allowed when used memory > 'maxmemory'.", 'unavailable', 'OOM'],
  ['MISCONF Redis is configured to save RDB snapshots, but is unable to persist to disk.', 'unavailable', 'MISCONF'],
  ["READONLY You can't write against a read only replica.", 'unavailable', 'READONLY'],
  ['LOADING Redis is loading the dataset in memory', 'unavailable', 'LOADING'],
  ['BUSY Redis is busy running a script.', 'unavailable', 'BUSY'],
  ['NOREPLICAS Not enough good replicas to write.', 'unavailable', 'NOREPLICAS'],
  ['CLUSTERDOWN Hash slot not served', 'unavailable', 'CLUSTERDOWN'],
  ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", 'unavailable', 'MASTERDOWN'],
  ['TRYAGAIN Multiple keys request during rehashing of slot', 'unavailable', 'TRYAGAIN'],
  ['MOVED 3999 127.0.0.1:6381', 'unavailable', 'MOVED'],
  ['ASK 3999 127.0.0.1:6381', 'unavailable', 'ASK'],
  [`NOPERM this user has no permissions to access one of the keys: ${SECRET}`, 'forbidden', 'NOPERM'],
  ['NOAUTH Authentication required.', 'forbidden', 'NOAUTH'],
  ['WRONGPASS invalid username-password pair or user is disabled.', 'forbidden', 'WRONGPASS'],
  ['WRONGTYPE Operation against a key holding the wrong kind of value', 'forbidden', 'WRONGTYPE'],
  [`ERR unknown command 'SPUBLISH', with args beginning with: '${SECRET}'`, 'forbidden', 'ERR'],
  ["ERR unknown subcommand 'SLOTS'. Try CLUSTER HELP.", 'forbidden', 'ERR'],
  [`ERR user_script:1: attempt to index a nil value ${SECRET}`, 'unknown', 'ERR'],
  ['an unknown error of a server', 'unknown', 'ERR'],
  ['NEWCODE of a later version', 'unknown', 'NEWCODE'],
])('%s', (text, kind, serverCode) => {
  const error = storeErrorOf(new Error(text));
  expect(error).toMatchObject({ kind, serverCode });
  expect(error.message).not.toContain(SECRET);
  expect(error.message).not.toBe('');
});

test('is unknown for a permission that a script lacks, because it may have written before, and names the list', () => {
  const texts = [
    "The user executing the script can't run this command or subcommand script: 7e1f",
    "The user executing the script can't access at least one of the keys mentioned script: b3af",
    // Error text of Redis 7.2 and later.
    "ACL failure in script: User pannier has no permissions to run the 'hset' command script: 7e1f, on @user_script:1.",
  ];
  for (const text of texts) {
    const error = storeErrorOf(new Error(`ERR ${text}`));
    expect(error).toMatchObject({ kind: 'unknown', serverCode: 'NOPERM' });
    expect(error.message).toMatch(
      /^Redis refused a command inside a script: the ACL user lacks .*docs\/operations\/redis\.md/,
    );
    expect(serverCodeOf(`ERR ${text}`)).toBe('NOPERM');
    // The script only reads, so it has written nothing.
    expect(storeErrorOf(new Error(`ERR ${text}`), true)).toMatchObject({ kind: 'forbidden', serverCode: 'NOPERM' });
  }
});

test.each([
  ["NOPERM this user has no permissions to run the 'cluster|slots' command", '+cluster|slots'],
  ["NOPERM User pannier has no permissions to run the 'hset' command", '+hset'],
  ["ERR ACL failure in script: User pannier has no permissions to run the 'hset' command script: 7e1f", '+hset'],
])('names the permission in %s', (text, permission) => {
  expect(storeErrorOf(new Error(text)).message).toContain(`lacks the permission ${permission} `);
});

test('takes the first word in capitals as the code', () => {
  expect(serverCodeOf('MOVED 1 h:1')).toBe('MOVED');
  expect(serverCodeOf('moved')).toBe('ERR');
  expect(serverCodeOf('')).toBe('ERR');
});

test('lists few codes for metrics, each once', () => {
  expect(new Set(SERVER_CODES).size).toBe(SERVER_CODES.length);
  expect(SERVER_CODES.length).toBeLessThan(25);
});
