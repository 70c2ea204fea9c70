"""What the package puts where."""

import importlib.util
import pickle

import claude_runner_client
from claude_runner_client import StreamChatRequest, v1


def test_everything_is_below_claude_runner() -> None:
    modules = {value.__module__ for value in vars(v1).values() if isinstance(value, type)}
    assert {module.rpartition(".")[0] for module in modules} == {"claude_runner_client.v1"}
    for name in ("claude", "buf"):
        assert importlib.util.find_spec(name) is None


def test_names_of_the_contract_are_the_contracts() -> None:
    assert StreamChatRequest.DESCRIPTOR.full_name == "claude.runner.v1.StreamChatRequest"


def test_all_that_is_listed_is_there() -> None:
    for module in (claude_runner_client, v1):
        assert sorted(module.__all__) == module.__all__
        assert all(hasattr(module, name) for name in module.__all__)


def test_v1_has_every_message_and_enum_of_the_contract() -> None:
    for file in (v1.error_pb2, v1.event_pb2, v1.pool_pb2, v1.result_pb2, v1.runner_pb2, v1.session_pb2, v1.turn_pb2):
        descriptor = file.DESCRIPTOR
        assert {*descriptor.message_types_by_name, *descriptor.enum_types_by_name} <= set(v1.__all__)


def test_messages_can_be_pickled() -> None:
    request = StreamChatRequest(prompt="Say hello", labels={"job": "7"})
    assert pickle.loads(pickle.dumps(request)) == request
