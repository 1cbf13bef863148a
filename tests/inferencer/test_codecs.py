import pytest

from inferencer.codecs import codec_of
from inferencer.exceptions import RecordFormatError
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
