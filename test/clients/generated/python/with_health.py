"""Runs app.py after the package grpcio-health-checking has registered the protos of gRPC health."""

import runpy

from grpc_health.v1 import health_pb2, health_pb2_grpc

assert health_pb2.HealthCheckRequest(service="pannier.v1.CacheService").service
assert health_pb2_grpc.HealthStub
runpy.run_path("app.py", run_name="__main__")
