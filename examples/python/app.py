"""A small web shop. Any number of replicas share their limits, sessions and cached products through Pannier.

Start a replica with `PANNIER_ADDRESS=127.0.0.1:9470 PORT=8080 python app.py`.

    GET  /hello?user=ada      allows 5 requests per minute and user, then answers 429 with Retry-After; `&cost=2` consumes two units.
    POST /login?user=ada      sets a session cookie; a guest who logs in gets a new session id, which prevents session fixation.
    GET  /me                  returns the user of the session.
    POST /logout              ends the session on every replica.
    GET  /products/1          reads from the cache, or from the database on a miss.
    PUT  /products/1?name=x   writes to the database, then invalidates the cached value.
"""

import http.cookies
import http.server
import json
import math
import os
import urllib.parse

import grpc

from pannier_client import DEADLINE_SECONDS, Pannier, cache, rate_limit, session

client = Pannier()
database = {"1": "pannier"}


def hello(query, _path, _session_id):
    user = query.get("user", "anonymous")
    limit = rate_limit.Limit(
        name="hello", algorithm=rate_limit.ALGORITHM_SLIDING_WINDOW_COUNTER, limit=5, window_ms=60_000
    )
    # The cost is at least 1, because a check with a cost of 0 consumes no units.
    cost = max(1, int(query.get("cost", "1")))
    request = rate_limit.CheckRateLimitRequest(key=user, cost=cost, limits=[limit])
    decision = client.limits.CheckRateLimit(request, timeout=DEADLINE_SECONDS)
    if decision.never:
        # The cost exceeds the limit. A later retry would also fail, so the response has no Retry-After header.
        return 400, {"error": "costs more than the limit"}, {}
    if not decision.allowed:
        seconds = math.ceil(decision.retry_after_ms / 1000)
        return 429, {"error": "too many requests"}, {"Retry-After": str(seconds)}
    return 200, {"hello": user, "remaining": decision.remaining}, {}


def login(query, _path, session_id):
    user_id = query.get("user", "")
    guest = None
    if session_id:
        request = session.RotateSessionRequest(session_id=session_id, user_id=user_id)
        guest = ignore_not_found(client.sessions.RotateSession, request)
    if guest is None:
        guest = client.sessions.CreateSession(session.CreateSessionRequest(user_id=user_id), timeout=DEADLINE_SECONDS)
    return 200, {"user": guest.session.user_id}, {"Set-Cookie": cookie(guest.session.session_id)}


def me(_query, _path, session_id):
    found = None
    if session_id:
        found = ignore_not_found(client.sessions.GetSession, session.GetSessionRequest(session_id=session_id))
    if found is None:
        return 401, {"error": "not logged in"}, {}
    return 200, {"user": found.session.user_id}, {}


def logout(_query, _path, session_id):
    if session_id:
        client.sessions.DeleteSession(session.DeleteSessionRequest(session_id=session_id), timeout=DEADLINE_SECONDS)
    return 204, None, {"Set-Cookie": cookie("") + "; Max-Age=0"}


def read_product(_query, path, _session_id):
    key = path.encode()
    cached = client.cache.CacheGet(cache.CacheGetRequest(namespace="products", key=key), timeout=DEADLINE_SECONDS)
    if cached.outcome == cache.CACHE_OUTCOME_HIT:
        return 200, {"name": cached.value.decode(), "source": "cache"}, {}
    name = database.get(path.split("/")[2])
    if name is None:
        return 404, {"error": "no such product"}, {}
    if cached.outcome == cache.CACHE_OUTCOME_MISS:
        request = cache.CacheSetRequest(namespace="products", key=key, value=name.encode(), ttl_ms=60_000)
        client.cache.CacheSet(request, timeout=DEADLINE_SECONDS)
    return 200, {"name": name, "source": "database"}, {}


def write_product(query, path, _session_id):
    database[path.split("/")[2]] = query.get("name", "")
    request = cache.CacheInvalidateRequest(namespace="products", keys=[path.encode()])
    client.cache.CacheInvalidate(request, timeout=DEADLINE_SECONDS)
    return 204, None, {}


ROUTES = {
    ("GET", "hello"): hello,
    ("POST", "login"): login,
    ("GET", "me"): me,
    ("POST", "logout"): logout,
    ("GET", "products"): read_product,
    ("PUT", "products"): write_product,
}


def ignore_not_found(call, request):
    try:
        return call(request, timeout=DEADLINE_SECONDS)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.NOT_FOUND:
            return None
        raise


def cookie(session_id):
    return f"session={session_id}; HttpOnly; SameSite=Lax; Path=/"


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        cookies = http.cookies.SimpleCookie(self.headers.get("Cookie", ""))
        session_id = cookies["session"].value if "session" in cookies else ""
        handle = ROUTES.get((self.command, url.path.split("/")[1]))
        try:
            status, body, headers = (
                handle(query, url.path, session_id) if handle else (404, {"error": "no such page"}, {})
            )
        except grpc.RpcError as error:
            status, body, headers = 503, {"error": error.details()}, {}
        payload = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(payload)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *_args):
        pass


if __name__ == "__main__":
    client.wait_until_ready()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Handler)
    print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
