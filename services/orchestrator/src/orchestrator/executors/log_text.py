"""What is handed out of a log: text of a bounded size."""


def whole_lines(content: bytes, limit: int) -> bytes:
    """Return valid UTF-8 of at most `limit` bytes; a first line that was cut is dropped.

    `content` is the newest part of a log, and was cut if it has `limit` bytes or more.
    """
    if len(content) >= limit:
        _, _, content = content[-limit:].partition(b"\n")
    text = content.decode(errors="replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return text.encode()[-limit:].decode(errors="ignore").encode()
