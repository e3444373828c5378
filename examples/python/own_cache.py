"""Keeps copies of cached values in this process, and drops a copy when a watch reports that another client has changed its value.

`PANNIER_ADDRESS=127.0.0.1:9470 python own_cache.py` stores 50 values, then changes one of them as another client would.

docs/guides/caching.md describes how to bound the age of a copy while the watch reports no events.
"""

import dataclasses
import threading
import time

import grpc

from pannier_client import DEADLINE_SECONDS, Pannier, cache


@dataclasses.dataclass
class Copy:
    value: bytes
    version: bytes
    # Whether the watch has received the event of the CacheSet call that stored the value. Earlier events of the key report changes to older values.
    is_announced: bool


@dataclasses.dataclass
class SetInFlight:
    key: bytes
    # Versions in all events of the key that have arrived since the client sent the call.
    versions: list[bytes] = dataclasses.field(default_factory=list)
    is_flushed: bool = False


class OwnCache:
    def __init__(self, client: Pannier, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._lock = threading.Lock()
        self._copies: dict[bytes, Copy] = {}
        self._sets_in_flight: list[SetInFlight] = []
        self._watch = None

    def __len__(self) -> int:
        return len(self._copies)

    def get(self, key: bytes) -> bytes | None:
        with self._lock:
            copy = self._copies.get(key)
            return None if copy is None else copy.value

    def start(self) -> None:
        """Returns after the watch has started. When the watch has ended, all copies are dropped: start it again."""
        self._watch = self._client.cache.WatchInvalidations(cache.WatchInvalidationsRequest(namespace=self._namespace))
        started = next(self._watch)
        with self._lock:
            self._apply(started)
        threading.Thread(target=self._follow, daemon=True).start()

    def stop(self) -> None:
        self._watch.cancel()

    def set(self, key: bytes, value: bytes) -> None:
        """Stores a value. The response may arrive before or after the event of the call."""
        call = SetInFlight(key)
        with self._lock:
            self._sets_in_flight.append(call)
        try:
            request = cache.CacheSetRequest(namespace=self._namespace, key=key, value=value, ttl_ms=60_000)
            response = self._client.cache.CacheSet(request, timeout=DEADLINE_SECONDS)
            with self._lock:
                is_announced = response.version in call.versions
                # If the last event contains a different version, another client changed the value after this call.
                is_newest = not is_announced or call.versions[-1] == response.version
                if response.stored and is_newest and not call.is_flushed:
                    self._copies[key] = Copy(value, response.version, is_announced)
        finally:
            with self._lock:
                self._sets_in_flight = [other for other in self._sets_in_flight if other is not call]

    def _follow(self) -> None:
        try:
            for event in self._watch:
                with self._lock:
                    self._apply(event)
        except grpc.RpcError:
            pass
        with self._lock:
            self._flush()

    def _apply(self, event) -> None:
        if event.WhichOneof("event") != "key":
            # A flush event and the start of the watch mean that this client may have missed changes, so it drops all copies. For simplicity, a tag
            # event has the same effect, although these copies have no tags.
            self._flush()
            return
        for call in self._sets_in_flight:
            if call.key == event.key:
                call.versions.append(event.version)
        copy = self._copies.get(event.key)
        if copy is not None and copy.version == event.version:
            copy.is_announced = True
        elif copy is not None and copy.is_announced:
            del self._copies[event.key]

    def _flush(self) -> None:
        self._copies.clear()
        for call in self._sets_in_flight:
            call.is_flushed = True


def main() -> None:
    client = Pannier()
    own = OwnCache(client, "own-python")
    own.start()
    keys = [f"k{index}".encode() for index in range(50)]
    for key in keys:
        invalidation = cache.CacheInvalidateRequest(namespace="own-python", keys=[key])
        client.cache.CacheInvalidate(invalidation, timeout=DEADLINE_SECONDS)
        own.set(key, b"loaded")
    print(f"kept {len(own)} of 50", flush=True)
    change = cache.CacheSetRequest(namespace="own-python", key=b"k7", value=b"another", ttl_ms=60_000)
    client.cache.CacheSet(change, timeout=DEADLINE_SECONDS)
    while own.get(b"k7") is not None:
        time.sleep(0.01)
    print(f"kept {len(own)} after another client has set k7", flush=True)
    own.stop()


if __name__ == "__main__":
    main()
