/**
 * Tests the webhook server from the point of view of an API server: reviews, limits, certificate changes, and shutdown
 * without lost reviews.
 */
import { once } from 'node:events';
import { Agent, type RequestOptions, request } from 'node:https';
import { connect, type TLSSocket } from 'node:tls';
import { silentLogger } from '../../test/support/lib/silent-logger.ts';
import { waitFor } from '../../test/support/wait.ts';
import type { Verdict } from './admission-review.ts';
import { createCa, type ServingCertificate, signServingCertificate } from './certificates/ca.ts';
import type { Outcome } from './webhook-metrics.ts';
import { startWebhookServer, type WebhookServer } from './webhook-server.ts';

const HOST = 'pannier-injector.pannier-system.svc';
const NOW_MS = Date.now();
const reviews: Outcome[] = [];
let ca = '';
let servingCertificates: [ServingCertificate, ServingCertificate];
let server: WebhookServer | undefined;
let agent: Agent;

beforeAll(async () => {
  const issuer = await createCa({ lifetimeMs: 600_000, nowMs: NOW_MS });
  ca = issuer.certificatePem;
  const sign = () => signServingCertificate({ ca: issuer, hostNames: [HOST], lifetimeMs: 600_000, nowMs: NOW_MS });
  servingCertificates = [await sign(), await sign()];
});

beforeEach(() => {
  reviews.length = 0;
  agent = new Agent({ keepAlive: true });
});

afterEach(async () => {
  agent.destroy();
  await server?.close(0);
  server = undefined;
});

interface Reply {
  status: number;
  body: string;
  connection: string | undefined;
  /** Whether the request reused the connection of an earlier request. */
  isReused: boolean;
}

async function start(
  verdict: () => Verdict,
  limits: { maxBodyBytes?: number; maxAllBodiesBytes?: number; requestMs?: number } = {},
): Promise<WebhookServer> {
  server = await startWebhookServer({
    host: '127.0.0.1',
    port: 0,
    certificate: servingCertificates[0],
    reviewers: { '/mutate-pod': verdict },
    onReview: (_path, outcome) => reviews.push(outcome),
    log: silentLogger,
    limits,
  });
  return server;
}

function send(body: string, options: RequestOptions = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port: server?.port,
        servername: HOST,
        ca,
        agent,
        method: 'POST',
        path: '/mutate-pod',
        ...options,
      },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            body: text,
            connection: response.headers.connection,
            isReused: outgoing.reusedSocket,
          }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function review(uid = 'u-1'): string {
  const object = { metadata: { name: 'pod' }, spec: { containers: [{ name: 'app' }] } };
  const requestPart = { uid, namespace: 'shop', operation: 'CREATE', object };
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request: requestPart });
}

test('answers a patch, an unchanged object and a denial with the uid of the request', async () => {
  const verdicts: Verdict[] = [
    { kind: 'patched', patch: [{ op: 'add', path: '/metadata/labels', value: { a: 'ü' } }] },
    { kind: 'unchanged' },
    { kind: 'denied', message: 'cannot inject Pannier: test' },
  ];
  await start(() => verdicts.shift() ?? { kind: 'unchanged' });
  const patched = JSON.parse((await send(review('one'))).body);
  expect(patched).toMatchObject({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' });
  expect(patched.response).toMatchObject({ uid: 'one', allowed: true, patchType: 'JSONPatch' });
  expect(JSON.parse(Buffer.from(patched.response.patch, 'base64').toString())).toEqual([
    { op: 'add', path: '/metadata/labels', value: { a: 'ü' } },
  ]);
  expect(JSON.parse((await send(review('two'))).body).response).toEqual({ uid: 'two', allowed: true });
  expect(JSON.parse((await send(review('three'))).body).response).toEqual({
    uid: 'three',
    allowed: false,
    status: { code: 403, reason: 'Forbidden', message: 'cannot inject Pannier: test' },
  });
  expect(reviews).toEqual(['injected', 'unchanged', 'refused']);
});

test.each([
  ['malformed JSON', 'nonsense'],
  ['another kind', '{"apiVersion":"admission.k8s.io/v1","kind":"Pod"}'],
  ['another version', review().replace('k8s.io/v1', 'k8s.io/v1beta1')],
  ['no uid', review('')],
  ['no object', review().replace('"object"', '"thing"')],
])('answers 400 to a body with %s', async (_name, body) => {
  await start(() => ({ kind: 'unchanged' }));
  const reply = await send(body);
  expect(reply.status).toBe(400);
  expect(reply.body).toMatch(/^cannot read the review: .+; send .+/);
  expect(reviews).toEqual(['unreadable']);
});

test('answers 500 to an internal error without revealing the object', async () => {
  await start(() => {
    throw new Error('secret of the pod');
  });
  const reply = await send(review());
  expect(reply.status).toBe(500);
  expect(reply.body).not.toContain('secret');
  expect(reviews).toEqual(['failed']);
});

test('rejects other paths and methods without counting a review', async () => {
  await start(() => ({ kind: 'unchanged' }));
  expect((await send('', { path: '/' })).status).toBe(404);
  expect((await send('', { method: 'GET' })).status).toBe(405);
  expect(reviews).toEqual([]);
});

test('rejects a body above the limit before reading all of it', async () => {
  await start(() => ({ kind: 'unchanged' }), { maxBodyBytes: 1_000 });
  const reply = await send(review() + ' '.repeat(2_000));
  expect(reply.status).toBe(413);
  expect(reviews).toEqual(['unreadable']);
  expect((await send(review())).status).toBe(200);
});

test('answers 503 while the bodies in flight exceed their total limit', async () => {
  await start(() => ({ kind: 'unchanged' }), { maxAllBodiesBytes: 3_000 });
  const slow = request({
    host: '127.0.0.1',
    port: server?.port,
    servername: HOST,
    ca,
    agent,
    method: 'POST',
    path: '/mutate-pod',
  });
  slow.on('error', () => undefined);
  slow.write(' '.repeat(2_800));
  await waitFor('the limit reached', async () => (await send(review())).status === 503);
  slow.destroy();
  await waitFor('the limit released', async () => (await send(review())).status === 200);
  expect(reviews).toContain('overloaded');
});

test('closes the connection of a request that exceeds its time limit', async () => {
  await start(() => ({ kind: 'unchanged' }), { requestMs: 200 });
  const slow = request({
    host: '127.0.0.1',
    port: server?.port,
    servername: HOST,
    ca,
    agent,
    method: 'POST',
    path: '/mutate-pod',
  });
  slow.on('error', () => undefined);
  const ended = once(slow, 'close');
  slow.write('{');
  await ended;
  expect((await send(review())).status).toBe(200);
});

test('serves a new certificate from the next handshake on', async () => {
  const running = await start(() => ({ kind: 'unchanged' }));
  const served = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket: TLSSocket = connect({ host: '127.0.0.1', port: running.port, servername: HOST, ca }, () => {
        resolve(socket.getPeerX509Certificate()?.toString().trim() ?? '');
        socket.destroy();
      });
      socket.on('error', reject);
    });
  expect(await served()).toBe(servingCertificates[0].certificatePem.trim());
  running.setCertificate(servingCertificates[1]);
  expect((await send(review())).status).toBe(200);
  expect(await served()).toBe(servingCertificates[1].certificatePem.trim());
});

test('closes the connection after each review even if the caller asks for keep-alive', async () => {
  await start(() => ({ kind: 'unchanged' }));
  for (let turn = 0; turn < 3; turn += 1) {
    expect(await send(review())).toMatchObject({ status: 200, connection: 'close', isReused: false });
  }
});

test('close waits for a request in flight', async () => {
  const running = await start(() => ({ kind: 'unchanged' }));
  const body = review();
  const late = request({
    host: '127.0.0.1',
    port: running.port,
    servername: HOST,
    ca,
    agent,
    method: 'POST',
    path: '/mutate-pod',
    headers: { expect: '100-continue' },
  });
  const continued = once(late, 'continue');
  late.write(body.slice(0, 20));
  // The server answers `continue` once it has read the headers: from then on the request is in flight.
  await continued;
  const replied = once(late, 'response');
  const closed = running.close(5_000);
  late.end(body.slice(20));
  const [response] = await replied;
  response.resume();
  expect(response.statusCode).toBe(200);
  await closed;
});

test('waitUntilQuiet resolves only after no client has connected for quietMs', async () => {
  const running = await start(() => ({ kind: 'unchanged' }));
  let isQuiet = false;
  const quiet = running.waitUntilQuiet({ quietMs: 2_000, maxWaitMs: 60_000 }).then(() => {
    isQuiet = true;
  });
  const callsEndAtMs = performance.now() + 3_000;
  while (performance.now() < callsEndAtMs) {
    expect((await send(review())).status).toBe(200);
  }
  expect(isQuiet).toBe(false);
  await quiet;
});

test('waitUntilQuiet resolves after maxWaitMs even if clients keep connecting', async () => {
  const running = await start(() => ({ kind: 'unchanged' }));
  let isOver = false;
  const over = running.waitUntilQuiet({ quietMs: 60_000, maxWaitMs: 200 }).then(() => {
    isOver = true;
  });
  while (!isOver) {
    expect((await send(review())).status).toBe(200);
  }
  await over;
});
