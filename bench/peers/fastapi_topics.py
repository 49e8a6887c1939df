"""The topics of a domain as the first design of the service had them: FastAPI, and documents read once.

Run by uvicorn; CONFIG_DIR is the directory of the documents of one version.
"""

import json
import os
from functools import cache
from pathlib import Path

from fastapi import APIRouter, FastAPI


class ConfigManager:
    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)
        self._documents: dict[str, dict] = {}

    def get_messaging_config(self, system: str) -> dict:
        name = f"messaging/{system}.json"
        if name not in self._documents:
            self._documents[name] = json.loads((self._directory / name).read_text())
        return self._documents[name]

    def get_kafka_topics(self, domain: str | None = None) -> dict:
        topics = self.get_messaging_config("kafka").get("topics", {})
        if domain:
            return topics.get(domain, {})
        return topics


@cache
def get_config_manager() -> ConfigManager:
    return ConfigManager(os.environ["CONFIG_DIR"])


router = APIRouter(prefix="/api/config")


@router.get("/messaging/kafka/topics")
async def get_kafka_topics(domain: str | None = None):
    config_manager = get_config_manager()
    topics = config_manager.get_kafka_topics(domain)
    return {"status": "success", "domain": domain or "all", "topics": topics}


app = FastAPI()
app.include_router(router)
