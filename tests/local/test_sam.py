"""What `make sam` writes and passes on, without a container engine."""

import http.server
import json
import socketserver
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local import sam
from local.children import LOCAL_HOST, free_port
from local.engine import Engine, NoEngineError
from local.progress import Terminal
from local.relay import relaying

FUNCTION = {
    "Type": "AWS::Lambda::Function",
    "Properties": {"Handler": "reconciler.handler", "Environment": {"Variables": {"STAGE": "local"}}},
}
TEMPLATE = {"Resources": {"R1": FUNCTION, "Q1": {"Type": "AWS::SQS::Queue", "Properties": {}}}}
# An address of every machine, beside the usual one. Only Linux has the whole of 127/8.
BESIDE = "127.0.0.2"


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers by path."""

    answers: Mapping[str, Any] = {}

    def do_GET(self) -> None:
        body = json.dumps(self.answers.get(self.path)).encode()
        self.send_response(200 if self.path in self.answers else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing. A socket without addresses has none to log."""

    def address_string(self) -> str:
        return "somebody"


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def engine(folder: Path, answers: Mapping[str, Any]) -> Iterator[Engine]:
    """An engine that answers some paths."""
    handler = type("Handler", (Answering,), {"answers": answers})
    address = folder / "engine.sock"
    with serving(socketserver.ThreadingUnixStreamServer(str(address), handler)):
        yield Engine(f"unix://{address}")
    address.unlink()


def bridge(**one: str) -> Mapping[str, Any]:
    return {"/networks/bridge": {"IPAM": {"Config": [one] if one else None}}}


# --- what is written --------------------------------------------------------------------------------


def test_a_function_goes_by_its_name_and_declares_the_variables_of_the_emulated_aws() -> None:
    named = sam.with_names(TEMPLATE, {"reconciler": "physical"}, declared={"AWS_ENDPOINT_URL": "there"})
    assert named["Resources"]["R1"]["Metadata"] == {"SamResourceId": "reconciler"}
    variables = named["Resources"]["R1"]["Properties"]["Environment"]["Variables"]
    assert variables == {"STAGE": "local", "AWS_ENDPOINT_URL": "there"}
    assert named["Resources"]["Q1"] == TEMPLATE["Resources"]["Q1"]
    assert "Metadata" not in FUNCTION


def test_a_function_that_the_run_does_not_have_stays_as_it_is() -> None:
    assert sam.with_names(TEMPLATE, {"other": "physical"}, declared={"A": "1"}) == TEMPLATE


def test_this_machine_has_the_name_by_which_containers_call_it() -> None:
    variables = {"QUEUE_URL": "http://127.0.0.1:4566/000000000000/jobs", "STAGE": "local"}
    changed = sam.here(variables, "172.17.0.1")
    assert changed == {"QUEUE_URL": "http://172.17.0.1:4566/000000000000/jobs", "STAGE": "local"}
    assert sam.ports_at("172.17.0.1", {"reconciler": changed}) == {4566}
    assert sam.ports_at("172.17.0.1", {"reconciler": variables}) == set()


def test_without_a_run_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(sam.NotRunningError, match="make local"):
        sam.run_sam(tmp_path / "serve.json", tmp_path / "sam", host="127.0.0.1", terminal=Terminal())
    assert list(tmp_path.iterdir()) == []


# --- the engine -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "gateway"),
    [
        ({"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.9"}, "172.17.0.9"),
        ({"Subnet": "172.17.0.0/16"}, "172.17.0.1"),
        ({"Subnet": "fd00::/64", "Gateway": "fd00::1"}, None),
        ({}, None),
    ],
)
def test_an_engine_tells_its_gateway(tmp_path: Path, one: dict[str, str], gateway: str | None) -> None:
    with engine(tmp_path, bridge(**one)) as running:
        assert running.gateway() == gateway


def test_a_gateway_of_another_machine_is_not_ours(tmp_path: Path) -> None:
    # An address kept for documentation: no machine has it.
    with engine(tmp_path, bridge(Subnet="203.0.113.0/24")) as running:
        assert sam.own_gateway(running) is None
    with engine(tmp_path, bridge(Subnet="127.0.0.0/8")) as running:
        assert sam.own_gateway(running) == LOCAL_HOST


def test_an_engine_knows_its_images(tmp_path: Path) -> None:
    with engine(tmp_path, {"/images/public.ecr.aws/lambda/python%3A3.13/json": {}}) as running:
        assert running.has_image("public.ecr.aws/lambda/python:3.13")
        assert not running.has_image("another")


@pytest.mark.parametrize("address", ["unix:///nowhere/engine.sock", "ssh://somewhere"])
def test_where_no_engine_answers_it_is_said_where_it_was_asked(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(NoEngineError, match=address):
        Engine.of_this_machine()


# --- the relay --------------------------------------------------------------------------------------


@pytest.mark.allow_hosts([LOCAL_HOST, BESIDE])
def test_what_comes_to_the_other_address_reaches_the_same_port() -> None:
    handler = type("Handler", (Answering,), {"answers": {"/here": "there"}})
    with http.server.ThreadingHTTPServer((LOCAL_HOST, 0), handler) as server, serving(server):
        port = server.server_address[1]
        with relaying(BESIDE, {port}):
            for _ in range(3):
                with urllib.request.urlopen(f"http://{BESIDE}:{port}/here", timeout=10) as answer:
                    assert json.load(answer) == "there"
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(f"http://{BESIDE}:{port}/here", timeout=10)


def test_an_address_of_another_machine_cannot_be_relayed_from() -> None:
    with pytest.raises(OSError, match="assign"), relaying("203.0.113.1", {free_port()}):
        pass
