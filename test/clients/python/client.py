"""A client on grpcio (the C core), which tests the sidecar: it runs the cases of ../cases.ts and prints `PASS name` or `FAIL name reason`.

    client.py ADDRESS DESCRIPTOR_SET (all|load)

Message classes are made from the descriptor set of the repository: no generator is needed.
"""

import itertools
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

MEBIBYTE = 1024 * 1024
CALL_TIMEOUT_S = 20
LOAD_CALLS = 10_000
LOAD_IN_FLIGHT = 50
ANSWERS_EACH = 1_000
KEEP_ALIVE_MS = 1_000
IDLE_S = 6

RATE_LIMIT = "pannier.v1.RateLimitService/CheckRateLimit"
SET = "pannier.v1.CacheService/CacheSet"
GET = "pannier.v1.CacheService/CacheGet"
INVALIDATE = "pannier.v1.CacheService/CacheInvalidate"
WATCH = "pannier.v1.CacheService/WatchInvalidations"
CONFIRM = "pannier.v1.CacheService/ConfirmInvalidations"


class Failed(Exception):
    """A case failed. The text has the expected and the actual result."""


class Client:
    """Methods of the sidecar, called over a separate channel."""

    def __init__(self, address, pool, options=(), compression=None):
        # Without this option, channels with the same arguments share a subchannel.
        local = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(address, options=[*local, *options], compression=compression)
        self.pool = pool
        self.methods = {}

    def method(self, path):
        """Returns the stub of a method and the class of its request."""
        if path not in self.methods:
            descriptor = self.pool.FindMethodByName(path.replace("/", "."))
            request = message_factory.GetMessageClass(descriptor.input_type)
            response = message_factory.GetMessageClass(descriptor.output_type)
            make = self.channel.unary_stream if descriptor.server_streaming else self.channel.unary_unary
            stub = make("/" + path, request_serializer=request.SerializeToString, response_deserializer=response.FromString)
            self.methods[path] = stub, request
        return self.methods[path]

    def call(self, path, fields, timeout=CALL_TIMEOUT_S, **options):
        stub, request = self.method(path)
        return stub(request(**fields), timeout=timeout, **options)

    def check(self, key, limit=LOAD_CALLS * 10, **options):
        # 1 is ALGORITHM_FIXED_WINDOW.
        limits = [{"name": "month", "algorithm": 1, "limit": limit, "window_ms": 2_592_000_000}]
        return self.call(RATE_LIMIT, {"key": key, "limits": limits}, **options)


def main():
    address, descriptor_set, mode = sys.argv[1:4]
    pool = read_descriptors(descriptor_set)
    client = Client(address, pool)
    if mode == "load":
        report("load", lambda: under_load(client))
        return
    idle = ThreadPoolExecutor(1).submit(keep_alive, address, pool)
    report("rate-limit", lambda: rate_limit(client))
    report("cache-3-mib", lambda: cache_large(client))
    report("message-3.9-mib", lambda: message_size(client, 39 * MEBIBYTE // 10, grpc.StatusCode.INVALID_ARGUMENT))
    report("message-over-4-mib", lambda: message_size(client, 4 * MEBIBYTE + 1, grpc.StatusCode.RESOURCE_EXHAUSTED))
    report("metadata-12-kib", lambda: client.check("python", metadata=[("x-large", "m" * 12 * 1024)]))
    report("metadata-over-16-kib", lambda: metadata_refused(client))
    report("gzip", lambda: compressed(address, pool))
    report("calls-10000", lambda: many_calls(client))
    report("watch", lambda: watch(client))
    report("deadline", lambda: deadline(client))
    report("cancel", lambda: cancel(client))
    report("keep-alive", idle.result)


def report(name, play):
    try:
        play()
    except Exception as error:  # The case has failed if it raises any exception.
        print(f"FAIL {name} {type(error).__name__}: {' '.join(str(error).split())}", flush=True)
    else:
        print(f"PASS {name}", flush=True)


def expect(found, expected):
    if found != expected:
        raise Failed(f"expected {expected}, got {found}")


def code_of(play):
    """Returns the status code of a call."""
    try:
        play()
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def rate_limit(client):
    expect([client.check("python-few", limit=3).allowed for _ in range(4)], [True, True, True, False])


def cache_large(client):
    value = b"pannier!" * (3 * MEBIBYTE // 8)
    client.call(SET, {"key": b"large", "value": value})
    expect(client.call(GET, {"key": b"large"}).value == value, True)


def message_size(client, size, expected):
    """The service rejects a value of this size, and the transport rejects a message. The connection remains usable."""
    expect(code_of(lambda: client.call(SET, {"key": b"larger", "value": bytes(size)})), expected)
    client.check("python")


def metadata_refused(client):
    code = code_of(lambda: client.check("python", metadata=[("x-large", "m" * 17 * 1024)]))
    expect(code, grpc.StatusCode.RESOURCE_EXHAUSTED)
    client.check("python")


def compressed(address, pool):
    """The C core declares gzip for every call, and compresses a message only if that makes it smaller."""
    client = Client(address, pool, compression=grpc.Compression.Gzip)
    for value in (b"v", b"v" * MEBIBYTE):
        client.call(SET, {"key": b"gzip", "value": value})
        expect(client.call(GET, {"key": b"gzip"}).value == value, True)


def many_calls(client):
    """The limit counts every call, so the remaining units show how many calls were executed."""
    with ThreadPoolExecutor(LOAD_IN_FLIGHT) as pool:
        codes = list(pool.map(lambda _: code_of(lambda: client.check("python-load")), range(LOAD_CALLS)))
    expect({code: codes.count(code) for code in set(codes)}, {grpc.StatusCode.OK: LOAD_CALLS})
    expect(client.check("python-load").remaining, LOAD_CALLS * 9 - 1)


def watch(client):
    stream = client.call(WATCH, {})
    expect(next(stream).WhichOneof("event"), "started")
    for index in range(3):
        key = f"watched-{index}".encode()
        client.call(INVALIDATE, {"keys": [key]})
        expect(next(stream).key, key)
    stream.cancel()


def deadline(client):
    stream = client.call(WATCH, {}, timeout=1)
    expect(next(stream).WhichOneof("event"), "started")
    expect(code_of(lambda: next(stream)), grpc.StatusCode.DEADLINE_EXCEEDED)
    client.check("python")


def cancel(client):
    """The sidecar learns of the cancellation: it no longer confirms a cancelled watch."""
    stream = client.call(WATCH, {})
    watch_id = next(stream).started.watch_id
    expect(client.call(CONFIRM, {"watch_id": watch_id}).valid_for_ms > 0, True)
    stream.cancel()
    expect(code_of(lambda: next(stream)), grpc.StatusCode.CANCELLED)
    end = time.monotonic() + CALL_TIMEOUT_S
    while client.call(CONFIRM, {"watch_id": watch_id}).valid_for_ms > 0:
        if time.monotonic() > end:
            raise Failed("the watch is still confirmed; it must have ended")
        time.sleep(0.02)


def keep_alive(address, pool):
    """An idle connection stays open while the client sends pings. A rejected or unanswered ping would close it."""
    options = [
        ("grpc.keepalive_time_ms", KEEP_ALIVE_MS),
        ("grpc.keepalive_timeout_ms", 1_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    client = Client(address, pool, options)
    client.check("python")
    states = []
    client.channel.subscribe(states.append)
    time.sleep(IDLE_S)
    expect(set(states), {grpc.ChannelConnectivity.READY})
    client.check("python")


def under_load(client):
    """Runs the load while connections end, until a thousand calls found the marker and a thousand later calls did not."""
    client.call(SET, {"key": b"marker", "value": b"first"})
    with_marker = itertools.count(1)
    without_marker = itertools.count(1)
    is_done = threading.Event()
    end = time.monotonic() + 3 * CALL_TIMEOUT_S
    errors = []

    def work():
        while not is_done.is_set() and time.monotonic() < end:
            try:
                value = client.call(GET, {"key": b"marker"}, wait_for_ready=True).value
            except grpc.RpcError as error:
                errors.append(f"{error.code()} {error.details()}")
                continue
            if value == b"":
                if next(without_marker) == ANSWERS_EACH:
                    is_done.set()
            elif next(with_marker) == ANSWERS_EACH:
                print("LOADED", flush=True)

    with ThreadPoolExecutor(LOAD_IN_FLIGHT) as pool:
        for _ in range(LOAD_IN_FLIGHT):
            pool.submit(work)
    expect((len(errors), errors[:1], is_done.is_set()), (0, [], True))


def read_descriptors(path):
    files = descriptor_pb2.FileDescriptorSet()
    with open(path, "rb") as file:
        files.ParseFromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool


if __name__ == "__main__":
    main()
