/**
 * A small web shop. Any number of replicas share their limits, sessions and cached products through Pannier.
 * Start a replica with `PANNIER_ADDRESS=127.0.0.1:9470 PORT=8080 node app.js`. In a container, set `HOST=0.0.0.0`.
 * The header `x-replica` of each response names the replica.
 *
 *   GET  /hello?user=ada      allows 5 requests per minute and user, then answers 429 with Retry-After; `&cost=2` consumes two units.
 *   POST /login?user=ada      sets a session cookie; a guest who logs in gets a new session id, which prevents session fixation.
 *   GET  /me                  returns the user of the session.
 *   POST /logout              ends the session on every replica.
 *   GET  /products/1          reads from the cache, or from the database on a miss.
 *   PUT  /products/1?name=x   writes to the database, then invalidates the cached value.
 */
import { createServer } from 'node:http';
import { hostname } from 'node:os';
import { connect } from './pannier.js';

const { limits, sessions, cache } = await connect();
const database = new Map([['1', 'pannier']]);
const NOT_FOUND = 5;

async function hello(url) {
  const user = url.searchParams.get('user') ?? 'anonymous';
  const decision = await limits.CheckRateLimit({
    key: user,
    // The cost is at least 1, because a check with a cost of 0 consumes no units.
    cost: Math.max(1, Number(url.searchParams.get('cost') ?? 1)),
    limits: [{ name: 'hello', algorithm: 'ALGORITHM_SLIDING_WINDOW_COUNTER', limit: 5, windowMs: 60_000 }],
  });
  if (decision.never) {
    // The cost exceeds the limit. A later retry would also fail, so the response has no Retry-After header.
    return { status: 400, body: { error: 'costs more than the limit' } };
  }
  if (!decision.allowed) {
    const seconds = Math.ceil(decision.retryAfterMs / 1000);
    return { status: 429, headers: { 'retry-after': String(seconds) }, body: { error: 'too many requests' } };
  }
  return { status: 200, body: { hello: user, remaining: decision.remaining } };
}

async function login(url, sessionId) {
  const userId = url.searchParams.get('user') ?? '';
  const guest =
    sessionId === undefined ? undefined : await ignoreNotFound(sessions.RotateSession({ sessionId, userId }));
  const { session } = guest ?? (await sessions.CreateSession({ userId }));
  return { status: 200, headers: { 'set-cookie': cookie(session.sessionId) }, body: { user: session.userId } };
}

async function me(_url, sessionId) {
  const found = sessionId === undefined ? undefined : await ignoreNotFound(sessions.GetSession({ sessionId }));
  return found === undefined
    ? { status: 401, body: { error: 'not logged in' } }
    : { status: 200, body: { user: found.session.userId } };
}

async function logout(_url, sessionId) {
  if (sessionId !== undefined) {
    await sessions.DeleteSession({ sessionId });
  }
  return { status: 204, headers: { 'set-cookie': `${cookie('')}; Max-Age=0` } };
}

async function readProduct(url) {
  const key = Buffer.from(url.pathname);
  const cached = await cache.CacheGet({ namespace: 'products', key });
  if (cached.outcome === 'CACHE_OUTCOME_HIT') {
    return { status: 200, body: { name: cached.value.toString(), source: 'cache' } };
  }
  const name = database.get(url.pathname.split('/')[2]);
  if (name === undefined) {
    return { status: 404, body: { error: 'no such product' } };
  }
  if (cached.outcome === 'CACHE_OUTCOME_MISS') {
    await cache.CacheSet({ namespace: 'products', key, value: Buffer.from(name), ttlMs: 60_000 });
  }
  return { status: 200, body: { name, source: 'database' } };
}

async function writeProduct(url) {
  database.set(url.pathname.split('/')[2], url.searchParams.get('name') ?? '');
  await cache.CacheInvalidate({ namespace: 'products', keys: [Buffer.from(url.pathname)] });
  return { status: 204 };
}

const routes = [
  { method: 'GET', path: /^\/hello$/, handle: hello },
  { method: 'POST', path: /^\/login$/, handle: login },
  { method: 'GET', path: /^\/me$/, handle: me },
  { method: 'POST', path: /^\/logout$/, handle: logout },
  { method: 'GET', path: /^\/products\/\w+$/, handle: readProduct },
  { method: 'PUT', path: /^\/products\/\w+$/, handle: writeProduct },
];

async function ignoreNotFound(call) {
  try {
    return await call;
  } catch (error) {
    if (error.code === NOT_FOUND) {
      return undefined;
    }
    throw error;
  }
}

function cookie(sessionId) {
  return `session=${sessionId}; HttpOnly; SameSite=Lax; Path=/`;
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const sessionId = /(?:^|; )session=([^;]+)/.exec(request.headers.cookie ?? '')?.[1];
  const route = routes.find(({ method, path }) => method === request.method && path.test(url.pathname));
  let answer = { status: 404, body: { error: 'no such page' } };
  try {
    answer = route === undefined ? answer : await route.handle(url, sessionId);
  } catch (error) {
    answer = { status: 503, body: { error: error.details ?? 'unavailable' } };
  }
  const headers = { 'content-type': 'application/json', 'x-replica': hostname(), ...answer.headers };
  response.writeHead(answer.status, headers);
  response.end(answer.body === undefined ? undefined : JSON.stringify(answer.body));
});

const host = process.env.HOST ?? '127.0.0.1';
server.listen(Number(process.env.PORT ?? 8080), host, () => {
  process.stdout.write(`listening on http://${host}:${server.address().port}\n`);
});
