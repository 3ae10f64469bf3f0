"""Reads every example of the contract with the generated client: what it does not understand is named.

Run by `test_clients.py` in the generator's own environment, as ``answers.py <openapi.json>``.
"""

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from onramp_client import Client  # type: ignore[import-not-found]

type Json = dict[str, Any]


def misread(document: Json) -> Iterator[str]:
    """The answers that come out of the client otherwise than they went in."""
    client = Client(base_url="http://example.com")
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        name = re.sub("([A-Z])", r"_\1", operation["operationId"]).lower()
        tag = re.sub(r"^(\d)", r"tag\1", operation["tags"][0].replace(" ", "_"))
        module = importlib.import_module(f"onramp_client.api.{tag}.{name}")
        for status, answer in operation["responses"].items():
            for value in examples(document, answer):
                read = module._parse_response(client=client, response=httpx.Response(int(status), json=value))
                if read is None or plain(read.to_dict()) != value:
                    yield f"{name} {status}: {value}"


def examples(document: Json, answer: Json) -> Iterator[Json]:
    """The examples of an answer."""
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    for media in answer.get("content", {}).values():
        if "example" in media:
            yield media["example"]
        yield from (example["value"] for example in media.get("examples", {}).values())


def plain(value: Json) -> Json:
    """With times as they were written."""
    content: Json = json.loads(json.dumps(value).replace('+00:00"', 'Z"'))
    return content


if __name__ == "__main__":
    found = list(misread(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
    sys.exit("\n".join(found) or None)
