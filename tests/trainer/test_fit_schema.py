"""Options of a fit that are refused when a deployment is created."""

from typing import Any

import pytest
from pydantic import ValidationError

from kafkaml.schemas.deployments import TrainingParameters

COSINE = {"schedule": "CosineDecay", "initial_learning_rate": 0.1}
PIECEWISE = {"schedule": "PiecewiseConstantDecay", "boundaries": [2], "values": [0.1, 0.2]}


@pytest.mark.parametrize(
    ("fit", "reason"),
    [
        ({"early_stoping": {}}, "Extra inputs"),
        ({"early_stopping": {"patients": 1}}, "Extra inputs"),
        ({"early_stopping": {"patience": -1}}, "greater than or equal to 0"),
        ({"early_stopping": {"mode": "best"}}, "'auto', 'min' or 'max'"),
        ({"reduce_lr_on_plateau": {"factor": 1.0}}, "less than 1"),
        ({"learning_rate": 0}, "greater than 0"),
        ({"learning_rate": "0.1"}, "valid number"),
        ({"learning_rate": {"schedule": "Linear"}}, "ExponentialDecay, CosineDecay"),
        ({"learning_rate": COSINE | {"warmup_epochs": 1}}, "both warmup_target and"),
        (
            {"learning_rate": COSINE | {"warmup_epochs": 10, "warmup_target": 1.0}},
            "warmup_epochs must be below epochs",
        ),
        ({"learning_rate": PIECEWISE | {"values": [0.1]}}, "at least 2"),
        ({"learning_rate": PIECEWISE | {"boundaries": [2, 1]}}, "one element more"),
        (
            {"learning_rate": PIECEWISE | {"boundaries": [2, 1], "values": [1, 1, 1]}},
            "boundaries must rise",
        ),
        ({"learning_rate": COSINE, "reduce_lr_on_plateau": {}}, "not a schedule"),
        ({"clipnorm": 1.0, "clipvalue": 1.0}, "use one of clipnorm"),
        ({"class_weight": "balance"}, "'balanced'"),
        ({"class_weight": {"cat": 1.0}}, "class numbers"),
        ({"mixed_precision": "float16"}, "mixed_float16"),
        (
            {"restore_best": {}, "early_stopping": {"restore_best_weights": True}},
            "use either restore_best",
        ),
        ({"early_stopping": {}, "validation_freq": 11}, "no epoch is validated"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_option_is_refused_with_its_reason(
    fit: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        TrainingParameters.model_validate({"epochs": 10, "fit": fit})
    assert reason in str(caught.value)


def test_validation_that_is_watched_must_not_be_switched_off() -> None:
    watched: dict[str, Any] = {"fit": {"early_stopping": {}}}
    TrainingParameters.model_validate(watched)  # the stream may have a rate
    with pytest.raises(ValidationError, match="but validation_rate is 0"):
        TrainingParameters.model_validate(watched | {"validation_rate": 0})
    watched = {"fit": {"early_stopping": {"monitor": "loss"}}}
    TrainingParameters.model_validate(watched | {"validation_rate": 0})


def test_options_come_back_from_their_own_json() -> None:
    options = {"learning_rate": COSINE, "class_weight": "balanced", "clipnorm": 1.0}
    parameters = TrainingParameters.model_validate({"fit": options, "folds": 5})
    assert (
        TrainingParameters.model_validate_json(parameters.model_dump_json()) == parameters
    )
