"""What is handed out of a log: text of a bounded size that does nothing to a terminal."""

import re

# What moves the cursor, colours text or sets the title, as ECMA-48 writes it.
_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-Z\\^-~]"
)
_CONTROLS = dict.fromkeys(
    [*(set(range(32)) - {ord("\n"), ord("\t")}), *range(127, 160)],
    "\N{REPLACEMENT CHARACTER}",
)


def whole_lines(content: bytes, limit: int) -> bytes:
    """Return plain UTF-8 of at most `limit` bytes; a first line that was cut is dropped.

    `content` is the newest part of a log, and was cut if it has `limit` bytes or more.
    """
    if len(content) >= limit:
        _, _, content = content[-limit:].partition(b"\n")
    text = _ESCAPE.sub("", content.decode(errors="replace"))
    # A progress bar begins its line anew: each becomes a line, and hides no other.
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROLS)
    return text.encode()[-limit:].decode(errors="ignore").encode()
