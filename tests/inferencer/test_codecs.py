import pytest

from inferencer.codecs import codec_of
from inferencer.exceptions import DeliveryError, RecordFormatError
from kafkaml.schemas.states import ExitCode, FailureReason

from .orders import inference_order


def test_records_of_another_size_than_the_model_takes_are_refused_at_once() -> None:
    order = inference_order(input_config={"data_type": "float32", "data_reshape": "5"})

    with pytest.raises(RecordFormatError, match=r"\(5,\).*\(4,\)") as caught:
        codec_of(order)

    assert caught.value.reason == FailureReason.BAD_STREAM
    assert caught.value.exit_code == ExitCode.DATA


def test_a_configuration_without_a_meaning_is_refused_with_what_to_do() -> None:
    order = inference_order(input_config={"data_type": "object"})

    with pytest.raises(RecordFormatError, match="input_config"):
        codec_of(order)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(RecordFormatError, match="XML"):
        codec_of(inference_order(input_format="XML"))


def test_while_the_schemas_are_away_the_batch_is_done_again() -> None:
    config = {"data_scheme": "double", "wire_format": "confluent"}
    order = inference_order(input_format="AVRO", input_config=config, input_shape=())

    with pytest.raises(DeliveryError, match="KAFKA_ML_SCHEMA_REGISTRY_URL"):
        codec_of(order).decode([b"\0\0\0\0\1" + bytes(8)])


def test_pictures_must_have_the_size_that_the_model_takes() -> None:
    config = {"height": 8, "width": 8, "channels": 1}
    order = inference_order(
        input_format="IMAGE", input_config=config, input_shape=(8, 9, 1)
    )

    with pytest.raises(RecordFormatError, match=r"\(8, 8, 1\).*\(8, 9, 1\)"):
        codec_of(order)
