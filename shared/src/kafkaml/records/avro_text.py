"""Reads and writes AVRO records of which one text is used."""

import io
from collections.abc import Sequence

import numpy as np

from kafkaml.formats.avro import AvroFormat
from kafkaml.formats.raw import TextFormat
from kafkaml.records.avro import READ_ERRORS, AvroCodec, read_one
from kafkaml.records.avro_values import field_at, nested
from kafkaml.records.base import Array, Decoded
from kafkaml.records.batches import null_reason, some_good
from kafkaml.records.text import TextCodec


class AvroTextCodec:
    """Records of which one field, or all there is, is a string: an array of texts.

    It is limited as texts of the RAW format are. `writer` is as in AvroCodec.
    """

    def __init__(self, described: AvroFormat, *, writer: AvroFormat | None = None) -> None:
        self.shape = ()
        self.fields = described.fields
        self._described = described
        is_other = writer is not None and writer.root != described.root
        self._writer = writer.schema if writer and is_other else None
        self._texts = TextCodec(TextFormat(part=described.part))
        self._records = AvroCodec(described, writer=writer)

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Decode a batch as texts, shape `(good,)`."""
        contents: list[bytes | None] = [None] * len(values)
        reasons: list[str | None] = [None] * len(values)
        for index, value in enumerate(values):
            try:
                contents[index] = self._content(value)
            except READ_ERRORS as e:
                reasons[index] = f"the {self._described.part} {_fault(e)}"
            if value is None:
                reasons[index] = null_reason(self._described.part)
        texts = self._texts.decode(contents)
        for bad in texts.bad:
            reasons[bad.index] = reasons[bad.index] or bad.reason
        return some_good(texts.array, reasons)

    def encode(self, array: Array) -> list[bytes]:
        """Encode the texts of an array of shape `(records,)` or `(records, 1)`."""
        rows = np.asarray(array)
        self._texts.encode(rows)  # which says what is wrong with them
        return [self.encode_one(self._record(str(text))) for text in rows.ravel()]

    def encode_one(self, record: object) -> bytes:
        """Encode one record as fastavro takes it, such as a dictionary of its fields."""
        return self._records.encode_one(record)

    def _content(self, value: bytes | None) -> bytes:
        buffer = io.BytesIO(value or b"")
        record = read_one(buffer, self._described.schema, self._writer)
        if buffer.tell() != len(value or b""):
            raise ValueError("there are bytes after its last field")
        path = self.fields[0] if self.fields else ""
        text = field_at(record, path) if path else record
        if not isinstance(text, str):
            raise TypeError("its text is null")
        return text.encode()

    def _record(self, text: str) -> object:
        return nested({self.fields[0]: text}) if self.fields else text


def _fault(error: Exception) -> str:
    return f"does not fit the schema: {error!s:.200}".removesuffix(": ")
