"""The saved dashboard: what the command sends to a server that speaks W&B's GraphQL, and mistakes in one line."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.wandb_dashboard import main

pytestmark = pytest.mark.integration

DEFINITION = Path(__file__).parents[2] / "configs" / "dashboard" / "wandb.yaml"
KEY = "c0ffee" * 6 + "dead"


class Server:
    """Answers like W&B where the command asks: who is there, and save this view."""

    def __init__(self) -> None:
        self.views: list[dict[str, Any]] = []
        self.answer: dict[str, Any] = {
            "data": {"upsertView": {"view": {"id": "1", "name": "nw-x-v"}, "inserted": True}}
        }
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer: dict[str, Any] = {"data": {"viewer": {"id": "1", "entity": "me", "username": "me"}}}
                if "upsertView" in body["query"]:
                    server.views.append(body["variables"])
                    answer = server.answer
                text = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """A client that hangs up is no news."""

        self.http = Quiet(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_ENTITY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server(no_key: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    pytest.importorskip("wandb_workspaces")
    import wandb

    server = Server()
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.http.server_port}")
    wandb.teardown()  # settings are read once a process
    yield server
    server.http.shutdown()
    wandb.teardown()


def test_no_key(no_key: None, command: Any) -> None:
    assert command(main).error == ("there is no W&B key: set WANDB_API_KEY or run `wandb login`; --dry_run needs none")


def test_a_file_that_is_no_dashboard(command: Any, tmp_path: Path) -> None:
    assert "cannot be read: No such file" in command(main, "--definition", tmp_path / "none.yaml").error
    path = tmp_path / "dashboard.yaml"
    path.write_text("{name: a, x_axis: b, sections: [{name: c, charts: [{title: d}]}]}")
    assert "is no dashboard (KeyError: 'metrics')" in command(main, "--definition", path).error


def test_saved(server: Server, command: Any) -> None:
    done = command(main, "--entity", "me", "--project", "sql", "--definition", DEFINITION)
    assert done.code == 0, done.err
    assert done.out.startswith("saved: http://127.0.0.1:")
    assert "/me/sql?nw=x" in done.out
    (view,) = server.views
    assert (view["entityName"], view["projectName"], view["displayName"]) == ("me", "sql", "text2sql")
    spec = json.loads(view["spec"])
    written = yaml.safe_load(DEFINITION.read_text())
    sections = spec["section"]["panelBankConfig"]["sections"]
    assert [section["name"] for section in sections] == [section["name"] for section in written["sections"]]
    loss = sections[0]["panels"][0]["config"]
    assert (loss["xAxis"], loss["metrics"]) == ("trainer/global_step", ["train/loss", "val/loss"])
    assert "val/samples" in json.dumps(sections[1]["panels"][-1])


def test_refused(server: Server, command: Any) -> None:
    server.answer = {"errors": [{"message": "project not found"}], "data": None}
    error = command(main, "--entity", "me", "--project", "none", "--definition", DEFINITION).error
    assert error.startswith("W&B has not taken the dashboard: ")
    assert "project not found" in error


@pytest.mark.slow  # W&B's own retries take half a minute
def test_no_network(server: Server, command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    error = command(main, "--entity", "me", "--definition", DEFINITION).error
    assert error.startswith("W&B has not taken the dashboard: ")
    assert KEY not in error
