"""What is counted of each model, so that a canary can be judged."""

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from inferencer.exceptions import PredictionError
from inferencer.model_counts import ModelCounts
from inferencer.model_metrics import ModelCollector
from inferencer.models import Models
from inferencer.served_model import ServedModel
from inferencer.testing import SumEngine
from kafkaml.schemas.outputs import OutputFormat
from kafkaml.schemas.statistics import ModelRole

from .orders import FEATURES, inference_order
from .test_replies import maker


def counts_of(
    *batches: list[list[float]],
    output_format: OutputFormat = OutputFormat.JSON,
    answer_width: int | None = None,
) -> ModelCounts:
    order = inference_order().model_copy(update={"output_format": output_format})
    counts = ModelCounts(role=ModelRole.CANARY, order=order, answer_width=answer_width)
    for batch in batches:
        counts.answer(np.array(batch, np.float32))
    return counts


def test_classes_and_scores_are_those_of_the_answers() -> None:
    figures = counts_of([[0.1, 0.9], [0.8, 0.2]], [[0.3, 0.7]]).figures

    assert (figures.answered, figures.looked_at) == (3, 3)
    assert figures.classes == {"0": 1, "1": 2}
    assert figures.score_sum == pytest.approx(0.9 + 0.8 + 0.7)
    assert figures.score_square_sum == pytest.approx(0.81 + 0.64 + 0.49)


def test_what_is_no_number_is_counted_and_spoils_nothing() -> None:
    nan, inf = float("nan"), float("inf")

    figures = counts_of([[nan, 0.9], [0.5, 0.1], [-inf, 0.0]]).figures

    assert (figures.not_finite, figures.classes) == (2, {"0": 1})
    assert figures.score_sum == pytest.approx(0.5)


def test_one_number_is_a_class_only_where_answers_are_labels() -> None:
    answers = [[0.2], [0.5], [0.9]]

    assert counts_of(answers).figures.classes == {}
    labels = counts_of(answers, output_format=OutputFormat.LABEL)
    assert labels.figures.classes == {"0": 1, "1": 2}


def test_a_tensor_for_the_next_model_is_no_answer() -> None:
    figures = counts_of([[0.2, 0.8, 7.0, 9.0]], answer_width=2).figures

    assert figures.classes == {"1": 1}
    assert figures.score_sum == pytest.approx(0.8)


def test_of_large_batches_answers_at_equal_distances_are_looked_at() -> None:
    counts = counts_of()
    counts.answer(np.eye(2, dtype=np.float32)[np.arange(60_000) // 30_000])

    figures = counts.figures
    assert figures.answered == 60_000
    assert figures.looked_at == 15_000
    assert figures.classes == {"0": 7_500, "1": 7_500}


def test_failures_are_told_with_the_last_reason() -> None:
    counts = counts_of()
    counts.fail(PredictionError("first"))
    counts.fail(PredictionError("then"), 3)
    counts.drop(5)
    figures = counts.figures
    assert (figures.failed, figures.dropped, figures.trouble) == (4, 5, "then")
    counts.lose("no topic", 2)
    assert (counts.figures.unsent, counts.figures.trouble) == (2, "no topic")


def test_prometheus_sees_every_model() -> None:
    counts = counts_of([[0.1, 0.9], [0.8, 0.2]])
    with counts.call():
        pass
    replies = maker()
    served = ServedModel(
        Models(
            revision=1,
            version="7.3",
            engine=SumEngine(input_shape=(FEATURES,)),
            replies=replies,
            asked=replies,
            counts=[counts],
        )
    )
    registry = CollectorRegistry()
    registry.register(ModelCollector(served))

    text = generate_latest(registry).decode()

    of = 'model="7/3",role="canary"'
    outcome = 'model="7/3",outcome="answered",role="canary"'
    assert f"kafkaml_inferencer_model_records_total{{{outcome}}} 2.0" in text
    assert f"kafkaml_inferencer_model_call_seconds_count{{{of}}} 1.0" in text
    assert f"kafkaml_inferencer_model_score_count{{{of}}} 2.0" in text
    assert (
        'kafkaml_inferencer_model_classes_total{class="1",model="7/3",role="canary"} 1.0'
        in text
    )
