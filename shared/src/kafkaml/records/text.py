"""Reads and writes texts as records: the type `string` of the RAW format."""

from collections.abc import Sequence

import numpy as np

from kafkaml.exceptions import FormatError
from kafkaml.formats.raw import TextFormat
from kafkaml.records.base import Array, Decoded
from kafkaml.records.batches import null_reason, some_good

MAX_CHARACTERS = 10_000


class TextCodec:
    """Records of one UTF-8 text each, as an array of NumPy's text type.

    All texts of such an array take the room of its longest one, so their length is limited.
    """

    def __init__(self, described: TextFormat) -> None:
        self.shape = described.shape
        self._part = described.part

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Decode a batch as texts, shape `(good, *shape)`."""
        texts: list[str] = []
        reasons: list[str | None] = []
        for value in values:
            text, reason = self._read(value)
            reasons.append(reason)
            if reason is None:
                texts.append(text)
        array = np.array(texts, dtype=np.str_).reshape(len(texts), *self.shape)
        return some_good(array, reasons)

    def encode(self, array: Array) -> list[bytes]:
        """Encode the texts of an array of shape `(records,)` or `(records, 1)`."""
        texts = np.asarray(array)
        if texts.ndim == 0 or texts.size != len(texts):
            raise FormatError(f"an array of shape {texts.shape} holds no list of texts")
        return [str(text).encode() for text in texts.ravel()]

    def _read(self, value: bytes | None) -> tuple[str, str | None]:
        if value is None:
            return "", null_reason(self._part)
        if len(value) > 4 * MAX_CHARACTERS:
            return (
                "",
                f"the {self._part} is a text of more than {MAX_CHARACTERS} characters",
            )
        try:
            text = value.decode()
        except UnicodeDecodeError as e:
            return "", f"the {self._part} is not UTF-8 at byte {e.start}"
        if len(text) > MAX_CHARACTERS:
            return (
                "",
                f"the {self._part} is a text of more than {MAX_CHARACTERS} characters",
            )
        if "\0" in text:
            return "", f"the {self._part} holds a NUL character"
        return text, None
