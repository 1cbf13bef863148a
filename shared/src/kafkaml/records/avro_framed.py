"""AVRO records in Confluent's wire format: a 0 byte, the writer's schema id, the record."""

import struct
from collections.abc import Sequence

import numpy as np

from kafkaml.exceptions import FormatError
from kafkaml.formats.avro import AvroFormat
from kafkaml.formats.avro_schema import parse_schema
from kafkaml.records.avro import AvroCodec
from kafkaml.records.avro_text import AvroTextCodec
from kafkaml.records.base import Array, Decoded
from kafkaml.records.batches import most_common, null_reason, some_good
from kafkaml.schema_registry import SchemaRegistry, UnknownSchemaError

HEADER_BYTES = 5
MAX_WRITERS = 1000

Reader = AvroCodec | AvroTextCodec


def framed(record: bytes, schema_id: int) -> bytes:
    """Return a record in the wire format."""
    return struct.pack(">bI", 0, schema_id) + record


class FramedAvroCodec:
    """Records that name the schema they were written by, which a registry knows.

    The schema of the format is the reader's: what each record is brought to, whichever
    writer it has.
    """

    def __init__(self, described: AvroFormat, *, registry: SchemaRegistry) -> None:
        self.shape = described.shape
        self.fields = described.fields
        self._described = described
        self._registry = registry
        self._plain = _reader(described, None)
        self._readers: dict[int, Reader] = {}

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Decode a batch; a record of a writer that nobody knows is bad.

        Raises CodecUnavailableError if the registry does not answer.
        """
        reasons: list[str | None] = [None] * len(values)
        groups: dict[int, list[int]] = {}
        for index, value in enumerate(values):
            reasons[index] = self._header_fault(value)
            if value is not None and reasons[index] is None:
                (schema_id,) = struct.unpack_from(">I", value, 1)
                groups.setdefault(schema_id, []).append(index)
        tables = [
            self._decode_group(schema_id, places, values, reasons)
            for schema_id, places in groups.items()
        ]
        return self._merged(tables, reasons)

    def encode(self, array: Array) -> list[bytes]:
        """Encode rows by the schema whose id the configuration names."""
        schema_id = self._described.schema_id
        if schema_id is None:
            raise FormatError(
                "data_schema_id: name the id that the registry gave to the schema"
            )
        return [framed(each, schema_id) for each in self._plain.encode(array)]

    def _header_fault(self, value: bytes | None) -> str | None:
        part = self._described.part
        if value is None:
            return null_reason(part)
        if len(value) < HEADER_BYTES or value[0]:
            return f"the {part} does not begin with a 0 byte and the id of a schema"
        return None

    def _decode_group(
        self,
        schema_id: int,
        places: list[int],
        values: Sequence[bytes | None],
        reasons: list[str | None],
    ) -> tuple[list[int], Array]:
        """Return the records of one writer that are good, and their rows."""
        try:
            reader = self._reader_of(schema_id)
        except (UnknownSchemaError, FormatError) as e:
            for place in places:
                reasons[place] = f"the {self._described.part} has a schema of no use: {e}"
            return [], self._plain.decode([]).array
        contents = [(values[place] or b"")[HEADER_BYTES:] for place in places]
        decoded = reader.decode(contents)
        for bad in decoded.bad:
            reasons[places[bad.index]] = f"{bad.reason} (written by schema {schema_id})"
        return [places[each] for each in decoded.good.tolist()], decoded.array

    def _merged(
        self, tables: list[tuple[list[int], Array]], reasons: list[str | None]
    ) -> Decoded:
        """Put the rows of all writers in the order of their records."""
        filled = [(places, array) for places, array in tables if places]
        usual = most_common(array.shape[1:] for places, array in filled for _ in places)
        for places, array in filled:
            for place in places if array.shape[1:] != usual else ():
                reasons[place] = f"its array has shape {array.shape[1:]}, most have {usual}"
        kept = [each for each in filled if each[1].shape[1:] == usual]
        if not kept:
            return some_good(self._plain.decode([]).array, reasons)
        order = np.argsort([place for places, _ in kept for place in places])
        rows = np.concatenate([array for _, array in kept])
        return some_good(rows[order], reasons)

    def _reader_of(self, schema_id: int) -> Reader:
        if schema_id not in self._readers:
            text = self._registry.schema(schema_id)
            schema, root = parse_schema(text, f"schema {schema_id}")
            if len(self._readers) >= MAX_WRITERS:
                self._readers.clear()
            writer = AvroFormat(schema, root)
            self._readers[schema_id] = _reader(self._described, writer)
        return self._readers[schema_id]


def _reader(described: AvroFormat, writer: AvroFormat | None) -> Reader:
    codec = AvroTextCodec if described.is_text else AvroCodec
    return codec(described, writer=writer)
