/**
 * Tests when permissions are probed, with a simulated server.
 */

import { silentLogger } from '../../test/support/lib/silent-logger.ts';
import { redisOptions } from '../../test/support/redis/client.ts';
import { type FakeRedisPeer, startFakeRedisPeer } from '../../test/support/redis/fake-redis-peer.ts';
import { waitFor } from '../../test/support/wait.ts';
import { systemClock } from '../lib/clock.ts';
import type { Credentials } from './address.ts';
import { NodePermissions } from './node-permissions.ts';
import { RefusalLog } from './refusal-log.ts';

const NO_LOGIN: Credentials = { username: undefined, password: undefined };
const TEXT = "NOPERM User app has no permissions to run the 'hset' command";

let peer: FakeRedisPeer;
let permissions: NodePermissions;
let refusals: RefusalLog;

afterEach(async () => {
  permissions.close();
  refusals.close();
  await peer.close();
});

function open(credentials: () => Promise<Credentials>): void {
  refusals = new RefusalLog({ role: 'state', clock: systemClock, log: silentLogger });
  permissions = new NodePermissions({
    address: { host: '127.0.0.1', port: peer.port },
    redis: redisOptions(`redis://127.0.0.1:${peer.port}`, { credentials, refusals, connectTimeoutMs: 10_000 }),
    permissions: { area: 'state', prefix: '' },
    isReady: () => true,
    slots: () => ({ isCluster: false, hashTag: 'probe' }),
    onChange: () => undefined,
  });
}

test('probes again after a refusal during a slow probe, and reports the refusal', async () => {
  peer = await startFakeRedisPeer({ onCommand: (command) => command.answer('+OK\r\n') });
  let finish = (_: Credentials): void => undefined;
  let asked = 0;
  open(() => {
    asked += 1;
    return asked === 1 ? new Promise((resolve) => (finish = resolve)) : Promise.resolve(NO_LOGIN);
  });
  permissions.connected();
  await waitFor('the probe', () => asked === 1);
  const untilMs = performance.now() + 1_500;
  permissions.refused({ node: `127.0.0.1:${peer.port}`, command: 'hset', text: TEXT });
  // The next probe is due after 1 s, while the first probe is still running.
  await waitFor('the time of the next probe', () => performance.now() >= untilMs);
  finish(NO_LOGIN);
  await waitFor('the report', () => !refusals.isEmpty);
  expect(asked).toBe(2);
}, 30_000);
