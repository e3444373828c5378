/**
 * Tests how the report of a server is created from its replies to CLUSTER SLOTS, INFO replication and ROLE. In some
 * tests, an ACL permits only some of these commands.
 */
import type { RedisReply } from './commands.ts';
import { ClusterHiddenError, SentinelError } from './refused-server.ts';
import { readServerReport, type SendCommand } from './server-report.ts';

const ADDRESS = { host: 'h', port: 1 };
const ID = 'a'.repeat(40);
const NO_CLUSTER = new Error('ERR This instance has cluster support disabled');
const NOPERM = new Error('NOPERM this user has no permissions');

/** Returns a simulated server that answers these commands and refuses others. */
function server(replies: Record<string, RedisReply | Error>): SendCommand {
  return async ([name = '']) => {
    const reply = replies[name] ?? NOPERM;
    if (reply instanceof Error) {
      throw reply;
    }
    return reply;
  };
}

test('reads the role and both ids from INFO, and ignores an id of forty zeros', async () => {
  const info = `# Replication\r\nrole:master\r\nmaster_replid:${ID}\r\nmaster_replid2:${'0'.repeat(40)}\r\n`;
  const report = await readServerReport(server({ CLUSTER: NO_CLUSTER, INFO: Buffer.from(info) }), ADDRESS);
  expect(report).toEqual({ kind: 'standalone', address: ADDRESS, role: 'master', replid: ID, replid2: undefined });
});

test.each([
  ['ROLE', { ROLE: ['slave', 'm', 1, 'connected', 0] }, 'replica'],
  ['neither', {}, 'unknown'],
])('reads the role from ROLE if INFO is not permitted: %s permitted', async (_, replies, role) => {
  const report = await readServerReport(server({ CLUSTER: NO_CLUSTER, ...replies }), ADDRESS);
  expect(report).toMatchObject({ role, replid: undefined, replid2: undefined });
});

test('rejects a lost connection, a missing permission for CLUSTER SLOTS and a Cluster node without slots', async () => {
  const lost = new Error('Socket closed unexpectedly');
  await expect(readServerReport(server({ CLUSTER: NO_CLUSTER, INFO: lost }), ADDRESS)).rejects.toBe(lost);
  await expect(readServerReport(server({}), ADDRESS)).rejects.toBe(NOPERM);
  await expect(readServerReport(server({ CLUSTER: [] }), ADDRESS)).rejects.toThrow('the Cluster node knows no slots');
});

describe.each([
  "ERR unknown command 'CLUSTER', with args beginning with: 'SLOTS'",
  'ERR Cluster is disabled. Use --cluster_mode=yes to enable.',
  'ERR unsupported command',
])('a server that refuses CLUSTER with %s', (text) => {
  const CLUSTER = new Error(text);

  test.each([
    ['ROLE', { ROLE: ['master', 0, []] }, 'master'],
    ['ROLE', { ROLE: ['slave', 'm', 1, 'connected', 0] }, 'replica'],
    ['INFO', { INFO: 'role:master\r\n' }, 'master'],
  ])('is standalone if %s reports its role', async (_, replies, role) => {
    const report = await readServerReport(server({ CLUSTER, ...replies }), ADDRESS);
    expect(report).toMatchObject({ kind: 'standalone', role, refusesCluster: true });
  });

  test.each([
    ['reports no role', {}],
    ['reports that it is a Cluster node', { ROLE: ['master', 0, []], INFO: 'role:master\r\ncluster_enabled:1\r\n' }],
  ])('is not used if it %s', async (_, replies) => {
    await expect(readServerReport(server({ CLUSTER, ...replies }), ADDRESS)).rejects.toThrow(ClusterHiddenError);
  });

  test('is rejected with a reason if it is a Sentinel', async () => {
    const sentinel = server({ CLUSTER, ROLE: ['sentinel', []], INFO: '' });
    await expect(readServerReport(sentinel, ADDRESS)).rejects.toThrow(SentinelError);
  });
});

test('reports the ids of all nodes of a Cluster', async () => {
  const report = await readServerReport(server({ CLUSTER: [[0, 16_383, ['h', 1, 'n1'], ['h', 2, 'n2']]] }), ADDRESS);
  expect(report.kind === 'cluster' && [...report.topology.nodeIds()]).toEqual(['n1', 'n2']);
});
