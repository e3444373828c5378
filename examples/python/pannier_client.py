"""A small Pannier client. It reads the three services from the protos when it is imported, so there is no generated code."""

import os
import pathlib
import sys

import grpc

PROTO_DIRECTORY = pathlib.Path(__file__).resolve().parents[2] / "proto"
sys.path.append(str(PROTO_DIRECTORY))

rate_limit, rate_limit_services = grpc.protos_and_services("pannier/v1/rate_limit.proto")
session, session_services = grpc.protos_and_services("pannier/v1/session.proto")
cache, cache_services = grpc.protos_and_services("pannier/v1/cache.proto")

# Deadline of every call. The call ends by its deadline even if Redis does not answer.
DEADLINE_SECONDS = 0.5
# Maximum time to wait for the sidecar at start.
CONNECT_TIMEOUT_SECONDS = 30


class Pannier:
    """A channel with the stubs `limits`, `sessions` and `cache`."""

    def __init__(self, address: str | None = None) -> None:
        self.channel = grpc.insecure_channel(address or os.environ.get("PANNIER_ADDRESS", "127.0.0.1:9470"))
        self.limits = rate_limit_services.RateLimitServiceStub(self.channel)
        self.sessions = session_services.SessionServiceStub(self.channel)
        self.cache = cache_services.CacheServiceStub(self.channel)

    def wait_until_ready(self) -> None:
        """Waits until the client is connected, so that the deadline of the first call does not include connecting."""
        grpc.channel_ready_future(self.channel).result(timeout=CONNECT_TIMEOUT_SECONDS)
