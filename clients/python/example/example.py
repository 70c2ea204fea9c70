"""Streams a turn, cancels one, has a conversation and a session, rejoins a turn, and shows a refusal.

Against the server at CLAUDE_RUNNER_ADDRESS, with the token in CLAUDE_RUNNER_TOKEN. `example.sh` runs it.
"""

from claude_runner_client import ClaudeRunner, Outcome, RunnerError, StreamChatRequest


def stream(runner: ClaudeRunner) -> None:
    """Prints an answer while it comes, then how the turn went."""
    turn = runner.stream("Say hello", timeout=60)
    for text in turn.text():
        print(text, end="", flush=True)
    result = turn.result()
    print(f"\n{Outcome.Name(result.outcome)}, {result.usage.output_token_count} tokens, {result.cost_usd_micros} µ$")


def cancel(runner: ClaudeRunner) -> None:
    """Leaves an answer after its first words: the turn ends on the server as well."""
    turn = runner.stream("Count to a thousand")
    for text in turn.text():
        print(f"heard {text!r} of turn {turn.turn_id} and leaves")
        break


def converse(runner: ClaudeRunner) -> None:
    """Asks twice; the second question is about the first answer."""
    conversation = runner.conversation()
    for prompt in ("Name a river", "And a longer one?"):
        print(f"{prompt} -> {conversation.stream(prompt).full_text()}")
    print(f"{len(conversation.messages)} messages so far")


def continue_session(runner: ClaudeRunner) -> None:
    """Goes on with a conversation that the server keeps, and deletes it."""
    session = runner.session("trip-to-lisbon", title="A trip to Lisbon")
    for prompt in ("My name is Ada.", "What is my name?"):
        print(f"{prompt} -> {session.chat(prompt, idempotent=True).text}")
    print(f"{session.get().turn_count} turns, {sum(len(turn.answer) for turn in session.turns())} answers")
    session.delete()


def rejoin(runner: ClaudeRunner) -> None:
    """Streams a turn that goes on when its connection breaks, and reads it a second time."""
    turn = runner.stream("Write a long report", rejoin=True)
    for text in turn.text():
        print(text, end="", flush=True)
    again = runner.attach(turn.turn_id)
    print(f"\nthe same again: {again.full_text() == turn.text_so_far}")


def be_refused(runner: ClaudeRunner) -> None:
    """Sends what breaks rules, and prints every one of them."""
    try:
        runner.stream(StreamChatRequest(prompt=" ", profile="There is none")).result()
    except RunnerError as error:
        print(f"{error.code.name} {error.reason}, may retry: {error.may_retry}")
        for violation in error.violations:
            print(f"  {violation.field}: {violation.description}")


def main() -> None:
    """All of it, over one connection."""
    with ClaudeRunner() as runner:
        for part in (stream, cancel, converse, continue_session, rejoin, be_refused):
            print(f"== {part.__name__}")
            part(runner)


if __name__ == "__main__":
    main()
