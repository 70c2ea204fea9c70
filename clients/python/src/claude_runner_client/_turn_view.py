"""What a turn of either client can be asked without waiting for anything."""

from ._turn_record import TurnRecord
from .v1 import Started


class TurnView:
    """What was read of a turn so far."""

    def __init__(self, record: TurnRecord) -> None:
        self._record = record

    @property
    def turn_id(self) -> str:
        """The id in the server's logs and on its spans. Empty until the first event. See `RunnerError.turn_id`."""
        return self._record.turn_id

    @property
    def started(self) -> Started | None:
        """How the turn began: the worker, the model. None until it did."""
        return self._record.started

    @property
    def text_so_far(self) -> str:
        """The text that was read so far, without what was retracted."""
        return self._record.text

    @property
    def has_gap(self) -> bool:
        """Whether the server no longer had some events, so that the text so far may lack a part of the answer.

        The result has all of it, up to 256 KiB. Only a turn that is rejoined, attached to or repeated can have a gap.
        """
        return self._record.has_gap

    @property
    def unknown_event_count(self) -> int:
        """How many events were skipped so far, because the server is newer than this client."""
        return self._record.unknown_event_count
