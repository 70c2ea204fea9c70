"""Reads commands and writes answers, one JSON object per line. With `--async` the asyncio client carries them out."""

import asyncio
import json
import platform
import sys
import traceback
from typing import TextIO

import grpc

from . import asynchronous, blocking
from .protocol import Answer, Command


def main() -> None:
    """Until the end of the input."""
    is_async = "--async" in sys.argv[1:]
    # Nothing but answers goes to stdout, whatever a library prints.
    answers, sys.stdout = sys.stdout, sys.stderr
    write(
        answers,
        {
            "hello": {
                "language": "python",
                "runtime": f"grpcio {grpc.__version__}{' (asyncio)' if is_async else ''}",
                "languageVersion": f"Python {platform.python_version()}",
            }
        },
    )
    if is_async:
        asyncio.run(serve_async(answers))
    else:
        serve(answers)


def serve(answers: TextIO) -> None:
    """Carries out commands with the blocking client."""
    with blocking.Commands() as commands:
        for line in sys.stdin:
            command = json.loads(line)
            try:
                answer = {"answer": commands.carry_out(command)}
            except Exception:  # noqa: BLE001 (whatever it is, the suite shows it)
                answer = bug()
            write(answers, {"id": command["id"], **answer})


async def serve_async(answers: TextIO) -> None:
    """Carries out commands with the asyncio client."""
    async with asynchronous.Commands() as commands:
        while line := await asyncio.to_thread(sys.stdin.readline):
            command: Command = json.loads(line)
            try:
                answer: Answer = {"answer": await commands.carry_out(command)}
            except Exception:  # noqa: BLE001 (whatever it is, the suite shows it)
                answer = bug()
            write(answers, {"id": command["id"], **answer})


def bug() -> Answer:
    """What just went wrong in the driver itself."""
    return {"bug": traceback.format_exc()}


def write(answers: TextIO, line: Answer) -> None:
    """One line, at once."""
    answers.write(f"{json.dumps(line)}\n")
    answers.flush()


if __name__ == "__main__":
    main()
