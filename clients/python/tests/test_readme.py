"""Every Python snippet of the README runs, and prints what it promises."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import grpc
import pytest

from claude_runner_client import ChatResponse, StreamChatResponse, v1

from .scripted_server import (
    Failure,
    ScriptedServer,
    Step,
    answer,
    attached,
    bad_request,
    broken_way,
    completed,
    events,
    info,
    text,
)

README = Path(__file__).parent.parent / "README.md"

Script = Sequence[Step] | ChatResponse


def snippets() -> dict[str, str]:
    """The snippets by the headings above them; a second one below a heading has a 2 behind it."""
    found: dict[str, str] = {}
    for section in re.split(r"^## ", README.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        heading = section.splitlines()[0]
        for number, snippet in enumerate(re.findall(r"^```python\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)):
            found[heading if number == 0 else f"{heading} {number + 1}"] = snippet
    return found


def run(heading: str, server: ScriptedServer, folder: Path) -> str:
    """What a snippet prints. The servers that it names are this one."""
    snippet = (
        snippets()[heading].replace("127.0.0.1:7433", server.address).replace("runner.example.com:7433", server.address)
    )
    environment = {**os.environ, "CLAUDE_RUNNER_ADDRESS": server.address, "CLAUDE_RUNNER_TOKEN": "secret-1"}
    done = subprocess.run(
        [sys.executable, "-c", snippet.replace('token="…"', 'token="secret-1"')],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def tools() -> list[StreamChatResponse]:
    return events(
        v1.Started(),
        v1.ToolUse(tool_name="Bash"),
        text("Two f"),
        v1.Retracted(),
        text("Three files"),
        completed("Three files"),
    )


REFUSAL = Failure(
    grpc.StatusCode.INVALID_ARGUMENT,
    "the request breaks a rule",
    [info("INVALID_REQUEST", violationCount="1"), bad_request(prompt="must not be empty")],
)

EXPECTED: dict[str, tuple[list[Script], list[str]]] = {
    "The first call": ([answer("Hello ", "there")], ["Hello there"]),
    "The first call 2": ([answer("Hello"), ChatResponse(text="Again")], ["HelloAgain"]),
    "Events": ([tools()], ["[Bash]", "replaces", "OUTCOME_COMPLETED", "\nThree files\n"]),
    "Cancel and deadline": ([answer("one, ", "two, three, ", "four, ")], ["two, three", "the turn is over"]),
    "Conversation": ([answer("Rhine"), ChatResponse(text="Nile")], ["Rhine\nNile\n4 messages"]),
    "Sessions": (
        [answer("Hello, Ada"), ChatResponse(text="Ada")],
        ["Hello, Ada\nAda\n", "5 []\n", "5  0\n"],
    ),
    "Streams that rejoin": ([[*answer("One ")[:2], broken_way()]], ["One two", "\nit cost 7 µ$\nTrue\n"]),
    "Errors and retry": ([[REFUSAL]], ["INVALID_REQUEST", "'violationCount': '1'", "prompt must not be empty"]),
    "Tracing": ([answer("Hello")], ["Hello"]),
    "Tracing 2": ([answer("Hello")], ["Hello"]),
}


@pytest.mark.parametrize("heading", EXPECTED)
def test_a_snippet_runs(heading: str, server: ScriptedServer, tmp_path: Path) -> None:
    scripts, expected = EXPECTED[heading]
    server.scripts.extend(scripts)
    report = completed("One two")
    report.cost_usd_micros = 7
    server.attach_scripts.extend([attached(text("two"), report, after=2), attached(report)])
    printed = run(heading, server, tmp_path)
    for words in expected:
        assert words in printed
    assert {call.metadata["authorization"] for call in server.calls} == {"Bearer secret-1"}
    if heading.startswith("Tracing"):
        assert "traceparent" in server.calls[0].metadata


def test_the_snippet_with_tls_runs(tls_server: ScriptedServer, ca_file: Path) -> None:
    assert run("TLS", tls_server, ca_file.parent) == "1.2.3\n"


def test_no_snippet_is_left_out() -> None:
    assert set(snippets()) == {*EXPECTED, "TLS"}
