"""The script of the hub's specification ("Service Integration"), with urllib in the place of requests."""

import json
import sys
from urllib.parse import urlencode
from urllib.request import urlopen

HUB = sys.argv[1]


def get(url, params):
    with urlopen(f"{url}?{urlencode(params)}", timeout=10) as response:
        return json.load(response)


# Get Kafka topics for user domain
response = get(f"{HUB}/api/config/messaging/kafka/topics", params={"domain": "user_domain"})
user_topics = response["topics"]

# Use topics from Central Hub (single source of truth)
assert user_topics["commands"]["name"] == "user.commands", user_topics
assert user_topics["commands"]["partitions"] == 6, user_topics
assert user_topics["commands"]["retention_ms"] == 220903200000, user_topics
print(user_topics["commands"]["name"])
