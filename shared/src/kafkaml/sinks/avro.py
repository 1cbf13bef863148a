"""The sink of the AVRO format."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Unpack

import numpy as np
import orjson

from kafkaml.exceptions import FormatError
from kafkaml.formats import AvroFormat
from kafkaml.records.avro import AvroCodec
from kafkaml.sinks.arrays import as_array
from kafkaml.sinks.base import Sink, SinkOptions

Schema = str | Mapping[str, Any]


class AvroSink(Sink):
    """Sends schemaless Avro records: the value is the data, the key the label.

    A schema is its text, or the same as a dictionary. A sample is a dictionary of its
    fields, or a row of numbers in the order of the schema.

        with AvroSink(
            topic="copd", deployment_id=1, data_schema=patient, label_schema=diagnosis
        ) as sink:
            sink.send({"age": 54.0, "smoking": 1.0}, {"diagnosis": True})
    """

    input_format: ClassVar[str] = "AVRO"

    def __init__(
        self, *, data_schema: Schema, label_schema: Schema, **options: Unpack[SinkOptions]
    ) -> None:
        self._schemas = {
            "data_scheme": _text(data_schema),
            "label_scheme": _text(label_schema),
        }
        self._data = AvroCodec(AvroFormat.from_config(self._schemas, "data_scheme"))
        self._labels = AvroCodec(AvroFormat.from_config(self._schemas, "label_scheme"))
        super().__init__(**options)

    def send(self, data: Any, label: Any = None) -> None:
        """Send one sample; raise FormatError if it does not fit the schema."""
        labels = None if label is None else [label]
        self.send_many([data], labels)

    def send_many(self, data: Any, labels: Any = None) -> None:
        """Send rows of numbers, the rows of a frame, or a list of dictionaries.

        The columns of a frame are found by the names of the schema's fields. Labels of a
        schema with one field can be a flat array. Raises FormatError, before anything is
        sent, if a sample does not fit the schema.
        """
        if labels is None:
            raise FormatError("a record of a training stream needs a label")
        self._write(_encode(self._data, data), _encode(self._labels, labels))

    def _input_config(self) -> dict[str, Any]:
        return dict(self._schemas)


def _encode(codec: AvroCodec, samples: Any) -> list[bytes]:
    if isinstance(samples, Sequence) and any(isinstance(each, Mapping) for each in samples):
        return [codec.encode_one(each) for each in samples]
    columns = getattr(samples, "columns", ())
    if codec.fields and set(codec.fields) <= set(columns):
        samples = samples[list(codec.fields)]
    rows = as_array(samples)
    if codec.shape == (1,) and rows.ndim == 1:
        rows = rows[:, np.newaxis]
    return codec.encode(rows)


def _text(schema: Schema) -> str:
    return schema if isinstance(schema, str) else orjson.dumps(schema).decode()
