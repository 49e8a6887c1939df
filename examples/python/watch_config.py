"""Follows the messaging configuration, keeps the last good copy, and tells the hub what became of each change.

With stubs made as in get_topics.py: PYTHONPATH=stubs python watch_config.py localhost:7000 trading-engine last-good.bin
"""

import hashlib
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

import grpc

from centralhub.config.v1 import config_service_pb2 as pb
from centralhub.config.v1.config_service_pb2_grpc import ConfigServiceStub

SILENCE_S = 45  # The hub sends a bookmark every 15 s; after three that are missing the connection is dead.
INSTANCE = f"{os.uname().nodename}-{os.getpid()}-{time.time_ns()}"


def apply(message, source: str) -> None:
    """Takes a configuration into use; raises to refuse it. Here: prints it."""
    topics = sum(len(domain.topics) for domain in message.snapshot.kafka.topics.values())
    print(f"{source} revision={message.header.revision} version={message.header.version} topics={topics}", flush=True)


def load(path: Path):
    data = path.read_bytes() if path.exists() else b""
    is_whole = hashlib.sha256(data[32:]).digest() == data[:32]
    return pb.WatchMessagingConfigResponse.FromString(data[32:]) if is_whole else None


def save(path: Path, message) -> None:
    data = message.SerializeToString()
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(hashlib.sha256(data).digest() + data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, path)  # The old copy or the new one, never a part.


def next_message(stream):
    watchdog = threading.Timer(SILENCE_S, stream.cancel)
    watchdog.start()
    try:
        return next(stream, None)
    finally:
        watchdog.cancel()


def main(address: str, service: str, path: Path) -> None:
    metadata = [("authorization", f"Bearer {os.environ['TOKEN']}")] if "TOKEN" in os.environ else []
    hub = ConfigServiceStub(grpc.insecure_channel(address, [("grpc.max_reconnect_backoff_ms", 10_000)]))
    running = load(path)  # What the service runs on.
    if running:
        apply(running, "cache")
    header, nonce = (running.header, running.nonce) if running else (None, "")  # The last that the hub sent.
    refused, failures = {}, 0  # By nonce, why: what was refused is not tried again.
    while True:
        resume = header and pb.ResumePoint(epoch=header.epoch, revision=header.revision)
        asked = pb.WatchMessagingConfigRequest(service=service, instance=INSTANCE, resume=resume)
        stream = hub.WatchMessagingConfig(asked, metadata=metadata)
        try:
            for count, message in enumerate(iter(lambda: next_message(stream), None)):
                if header and message.header.epoch == header.epoch and message.header.revision < header.revision:
                    break  # A hub that is behind: what is older is never used.
                header = message.header
                if message.HasField("snapshot"):
                    nonce = message.nonce
                    if nonce not in refused and not (running and running.nonce == nonce):
                        try:
                            apply(message, "live")
                        except Exception as error:  # The service goes on with what it has.
                            refused[nonce] = repr(error)[:4096]
                        else:
                            running = message
                            save(path, message)
                elif count > 0 or header.etag != nonce:
                    continue
                # A hub that has started anew wants to hear of it again, so also after the first bookmark.
                outcome = pb.APPLIED_OUTCOME_REJECTED if nonce in refused else pb.APPLIED_OUTCOME_APPLIED
                hub.ReportApplied(pb.ReportAppliedRequest(
                    service=service, instance=INSTANCE, epoch=header.epoch, revision=header.revision, nonce=nonce,
                    outcome=outcome, error=refused.get(nonce, "")), timeout=5, metadata=metadata)
                failures = 0
        except grpc.RpcError as error:
            print(f"{error.code().name}: {error.details()}", file=sys.stderr, flush=True)
            if error.code() == grpc.StatusCode.OUT_OF_RANGE:
                header = None  # The history is gone: start again from a snapshot.
        stream.cancel()
        time.sleep(random.uniform(0, min(10, 0.1 * 2**failures)))
        failures = min(failures + 1, 10)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
