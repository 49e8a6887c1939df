"""Reads the health of the topics as clients of the first design do: status, then error or counts and topics."""

import json
import sys
from urllib.request import urlopen

with urlopen(f"{sys.argv[1]}/api/health/kafka/topics", timeout=10) as response:
    health = json.load(response)

if health["status"] == "error":
    print("error:", health["error"])
else:
    print(health["status"], health["total"], health["healthy"], health["missing"])
for topic, result in health.get("topics", {}).items():
    print(topic, result["domain"], result["expected_partitions"], result["expected_retention"], result["status"])
