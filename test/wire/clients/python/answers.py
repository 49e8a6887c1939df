"""Asks a hub what the tests compare and prints it as JSON. Run with the generated stubs on PYTHONPATH."""

import json
import sys

import grpc
from google.protobuf.json_format import MessageToDict

from centralhub.config.v1 import config_service_pb2 as config
from centralhub.config.v1.config_service_pb2_grpc import ConfigServiceStub


def main(address: str, topic_domain: str, subject_domain: str, unknown_domain: str) -> None:
    with grpc.insecure_channel(address) as channel:
        hub = ConfigServiceStub(channel)
        topics = hub.GetKafkaTopics(config.GetKafkaTopicsRequest(domain=topic_domain), timeout=10)
        subjects = hub.GetNatsSubjects(config.GetNatsSubjectsRequest(domain=subject_domain), timeout=10)
        groups = hub.GetKafkaConsumerGroups(config.GetKafkaConsumerGroupsRequest(), timeout=10)
        try:
            hub.GetKafkaTopics(config.GetKafkaTopicsRequest(domain=unknown_domain), timeout=10)
            refusal = {"code": "OK", "message": ""}
        except grpc.RpcError as error:
            refusal = {"code": error.code().name, "message": error.details()}
    print(
        json.dumps(
            {
                "topics": MessageToDict(topics),
                "subjects": MessageToDict(subjects),
                "consumer_groups": MessageToDict(groups),
                "refusal": refusal,
            }
        )
    )


main(*sys.argv[1:])
