"""The sink of the AVRO format."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Unpack

import numpy as np
import orjson

from kafkaml.config import KafkaSettings
from kafkaml.exceptions import FormatError
from kafkaml.formats import AvroFormat, Format, stream_format
from kafkaml.records.avro import AvroCodec
from kafkaml.records.avro_framed import framed
from kafkaml.records.avro_text import AvroTextCodec
from kafkaml.schema_registry import SchemaRegistry
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

    `data_fields` names the fields that are for the model, in the order of its input; then
    the others may be of any type. With `label_fields` in place of `label_schema` the label
    is a field of the data. With `wire_format="confluent"` each record begins with the id of
    its schema, which the registry of `KAFKA_ML_SCHEMA_REGISTRY_URL` gives it under the
    subjects `<topic>-value` and `<topic>-key`.
    """

    input_format: ClassVar[str] = "AVRO"

    def __init__(
        self,
        *,
        data_schema: Schema,
        label_schema: Schema | None = None,
        data_fields: Sequence[str] | None = None,
        label_fields: Sequence[str] | None = None,
        wire_format: Literal["plain", "confluent"] = "plain",
        **options: Unpack[SinkOptions],
    ) -> None:
        settings: dict[str, Any] = {
            "data_scheme": _text(data_schema),
            "label_scheme": None if label_schema is None else _text(label_schema),
            "data_fields": None if data_fields is None else list(data_fields),
            "label_fields": None if label_fields is None else list(label_fields),
            "wire_format": wire_format,
        }  # as a control message has them
        self._config = {
            name: value
            for name, value in settings.items()
            if value is not None and value != "plain"
        }
        stream = stream_format(self.input_format, self._config)
        self._data = _avro_codec(stream.features)
        self._labels = None if stream.labels_in_value else _avro_codec(stream.labels)
        self._ids: dict[str, int] = {}
        super().__init__(**options)
        if wire_format == "confluent":
            self._register(options["topic"])

    def send(self, data: Any, label: Any = None) -> None:
        """Send one sample; raise FormatError if it does not fit the schema."""
        labels = None if label is None else [label]
        self.send_many([data], labels)

    def send_many(self, data: Any, labels: Any = None) -> None:
        """Send rows of numbers, the rows of a frame, or a list of dictionaries.

        The columns of a frame are found by the names of the schema's fields. Labels of a
        schema with one field can be a flat array; where labels are fields of the data,
        there are none to give. Raises FormatError, before anything is sent, if a sample
        does not fit the schema.
        """
        if self._labels is None and labels is None:
            self._write(self._values(data), None)
            return
        if self._labels is None or labels is None:
            raise FormatError(
                "a record of a training stream needs a label"
                if self._labels
                else "the labels are fields of the data: send them there"
            )
        keys = self._framed(_encode(self._labels, labels), "label_schema_id")
        self._write(self._values(data), keys)

    def _values(self, data: Any) -> list[bytes]:
        return self._framed(_encode(self._data, data), "data_schema_id")

    def _framed(self, records: list[bytes], schema: str) -> list[bytes]:
        if schema not in self._ids:
            return records
        return [framed(each, self._ids[schema]) for each in records]

    def _register(self, topic: str) -> None:
        """Have the registry know the schemas; raise FormatError if it refuses one."""
        registry = SchemaRegistry(KafkaSettings())
        try:
            for scheme, kind in (("data_scheme", "value"), ("label_scheme", "key")):
                if scheme in self._config:
                    name = scheme.replace("scheme", "schema_id")
                    schema = _as_json(self._config[scheme])
                    self._ids[name] = registry.register(f"{topic}-{kind}", schema)
        except BaseException:
            self.abandon()
            raise
        finally:
            registry.close()

    def _input_config(self) -> dict[str, Any]:
        return {**self._config, **self._ids}


def _avro_codec(described: Format) -> AvroCodec | AvroTextCodec:
    """Return the codec of a record without the id of its schema."""
    if not isinstance(described, AvroFormat):
        raise FormatError("a schema is needed")
    codec = AvroTextCodec if described.is_text else AvroCodec
    return codec(described)


def _encode(codec: AvroCodec | AvroTextCodec, samples: Any) -> list[bytes]:
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


def _as_json(schema: str) -> str:
    """Return a schema as the registry takes it: a bare name such as `double` in quotes."""
    is_json = schema.strip()[:1] in {"{", "[", '"'}
    return schema if is_json else orjson.dumps(schema.strip()).decode()
