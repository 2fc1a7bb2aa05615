"""How much a server takes on: what is above is refused in words, so that its memory and its time are bounded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Every bound of a server, in one place."""

    body_bytes: int = 1 << 20
    """Of one request's body."""
    bodies_bytes: int = 64 << 20
    """Of all bodies that are held at one time."""
    records: int = 256
    """Records of one request."""
    characters: int = 100_000
    """Of all text of one record."""
    queue_records: int = 2048
    """Records that wait or are computed at one time."""
    queue_characters: int = 16_000_000
    """Characters of all of them."""
    explained_tags: int = 5
    """Tags of one question for the words that carried them."""
    explained_characters: int = 20_000
    """Of the text whose words are asked for: it is read again without each part."""
    explained_words: int = 96
    """Parts into which a text is cut for it; a longer one is cut into groups of words."""
    connections: int = 512
    """Open connections; one more is answered with 503 and closed."""
    header_bytes: int = 65_536
    """Of a request's first line and headers."""
    header_seconds: float = 10.0
    """Within which they have arrived."""
    body_seconds: float = 20.0
    """Within which a body has arrived."""
    answer_seconds: float = 30.0
    """Within which a request is answered, once its body is there."""
    taken_seconds: float = 20.0
    """Within which a client takes some of what waits to be sent to it."""
    unread_bytes: int = 256 << 20
    """Of all answers that clients have not taken yet; beyond it, connections with the most are ended."""
    idle_seconds: int = 30
    """After which a connection that asks nothing is closed."""
    stop_seconds: float = 30.0
    """Within which a server that is asked to stop finishes what is in flight."""
