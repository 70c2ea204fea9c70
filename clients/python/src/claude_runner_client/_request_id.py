"""Names for requests that may be sent again."""

import secrets
import time
from uuid import UUID


def new_request_id() -> str:
    """A UUID of version 7: the time in milliseconds, then chance, so that the server's index stays in order."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | secrets.randbits(80)
    value = value & ~(0xF << 76) | (7 << 76)
    value = value & ~(0x3 << 62) | (2 << 62)
    return str(UUID(int=value))
