"""Prints the Kafka topics of a domain, with plain gRPC stubs.

    central-hub export protos protos
    pip install grpcio==1.85.1 grpcio-tools==1.85.1
    mkdir -p stubs
    python -m grpc_tools.protoc -I protos --python_out stubs --grpc_python_out stubs \\
        $(cd protos && find centralhub buf -name '*.proto')
    PYTHONPATH=stubs python get_topics.py localhost:7000 user_domain
"""

import os
import sys

import grpc

from centralhub.config.v1.config_service_pb2 import GetKafkaTopicsRequest
from centralhub.config.v1.config_service_pb2_grpc import ConfigServiceStub


def main(address: str, domain: str) -> int:
    # The token is needed only where the hub asks for one (HUB_AUTH=jwt); then use grpc.secure_channel as well.
    token = os.environ.get("TOKEN")
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(address) as channel:
        hub = ConfigServiceStub(channel)
        try:
            answer = hub.GetKafkaTopics(GetKafkaTopicsRequest(domain=domain), timeout=5, metadata=metadata)
        except grpc.RpcError as error:
            # For an unknown domain: NOT_FOUND, and the message lists the domains that exist.
            print(f"{error.code().name}: {error.details()}", file=sys.stderr)
            return 1
    for topics in answer.domains.values():
        for topic in topics.topics.values():
            print(f"{topic.name} partitions={topic.partitions} retention_ms={topic.retention_ms}")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: get_topics.py HOST:PORT DOMAIN")
    sys.exit(main(*sys.argv[1:]))
