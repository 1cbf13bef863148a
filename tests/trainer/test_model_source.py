"""Sources are run in this process: starting a child for each would take minutes."""

import warnings
from pathlib import Path
from typing import Any

import pytest

from kafkaml.schemas.models import EXAMPLE_SOURCE
from trainer.messages import Failed

HEAD = "import keras\nimport tensorflow as tf\n"
BUILT = HEAD + "model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])\n"


@pytest.fixture(autouse=True)
def _quiet_and_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def failure_of_source(source: str) -> Failed:
    from trainer.models.failures import failure_of
    from trainer.models.source import build_model

    try:
        build_model(source, seed=0)
    except BaseException as e:  # noqa: BLE001  # a source may raise anything
        return failure_of(e)
    raise AssertionError("the source was accepted")


@pytest.mark.parametrize(
    ("source", "text", "line"),
    [
        ("import keras\nmodel = (", "SyntaxError: '(' was never closed", 2),
        ("if True:\n\tx = 1\n        y = 2\n", "TabError", 3),
        ("# only a comment", "binds nothing to the name `model`", None),
        ("model = 5", "`model` is a int, not a Keras model", None),
        (HEAD + "model = keras.Model", "`model` is a type", None),
        (BUILT, "not compiled", None),
        (HEAD + "model = keras.Sequential([keras.layers.Dense(3)])", "not built", None),
        ("def f():\n    return 1 / 0\n\nf()", "ZeroDivisionError: division by zero", 2),
        ("x = 1\nimport no_such_module", "ModuleNotFoundError: No module named", 2),
        ("raise SystemExit(0)", "the source ends the program (SystemExit(0))", 1),
        ("def f():\n    f()\nf()", "RecursionError", 2),
        (HEAD + "keras.layers.Dense('many')", "ValueError", 3),
    ],
)
def test_a_source_without_a_usable_model_is_told_why_and_where(
    source: str, text: str, line: int | None
) -> None:
    failed = failure_of_source(source)
    assert failed.reason == "model_code"
    assert text in failed.message
    assert failed.line == line


def test_a_source_that_needs_too_much_memory_says_so() -> None:
    failed = failure_of_source("import numpy\nnumpy.ones(10**17)")
    assert failed.reason == "oom"
    assert failed.line == 2


def test_a_good_model_is_described() -> None:
    from trainer.models.inspection import inspect_model
    from trainer.models.source import build_model

    built = inspect_model(build_model(EXAMPLE_SOURCE, seed=0), try_saving=True)
    assert built.labels == "classes"
    assert built.check.input_shapes == [[8, 8]]
    assert built.check.output_shapes == [[10]]
    assert built.check.parameter_count == 4810
    assert built.check.loss == "sparse_categorical_crossentropy"
    assert built.check.metrics == ["accuracy"]
    assert built.check.warnings == []
    assert "Total params" in built.check.summary


@pytest.mark.parametrize(
    ("compiled", "loss", "metrics", "labels"),
    [
        ("'sgd', keras.losses.MeanSquaredError()", "mean_squared_error", [], "outputs"),
        (
            "'sgd', 'mae', metrics=['mse', keras.metrics.AUC()]",
            "mae",
            ["mse", "auc"],
            "outputs",
        ),
        ("'sgd', lambda y, p: tf.reduce_mean(p)", "<lambda>", [], "any"),
        ("'sgd'", None, [], "any"),
        (
            "'sgd', keras.losses.SparseCategoricalCrossentropy(name='mine')",
            "mine",
            [],
            "classes",
        ),
    ],
)
def test_loss_metrics_and_labels_are_told(
    compiled: str, loss: str | None, metrics: list[str], labels: str
) -> None:
    from trainer.models.inspection import inspect_model
    from trainer.models.source import build_model

    model = build_model(f"{BUILT}model.compile({compiled})", seed=0)
    built = inspect_model(model, try_saving=False)
    assert built.check.loss == loss
    assert [name.split("_")[0] for name in built.check.metrics] == metrics
    assert built.labels == labels


CUSTOM_LAYER = """\
import keras

@keras.saving.register_keras_serializable()
class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x

model = keras.Sequential([keras.Input((2,)), Twice(), keras.layers.Dense(1)])
model.compile("sgd", "mse")
"""
LAMBDA_LAYER = """\
import keras
model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: 2 * x)])
model.compile("sgd", "mse")
"""
SUBCLASS = """\
import keras

class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(3)
    def call(self, x):
        return self.dense(x)

model = Net()
model.build((None, 5))
model.compile("sgd", "mse")
"""


@pytest.mark.parametrize("source", [CUSTOM_LAYER, LAMBDA_LAYER, SUBCLASS])
def test_a_model_that_only_its_source_can_load_is_warned_about(source: str) -> None:
    import keras

    from trainer.models.inspection import inspect_model
    from trainer.models.source import build_model

    model = build_model(source, seed=0)
    before = dict(keras.saving.get_custom_objects())
    check = inspect_model(model, try_saving=True).check
    assert len(check.warnings) == 1
    assert "can be trained, but not served" in check.warnings[0]
    assert keras.saving.get_custom_objects() == before
    assert not list(Path().glob("*.keras"))


def test_the_same_seed_gives_the_same_weights() -> None:
    import numpy as np

    from trainer.models.source import build_model

    one, same, other = (build_model(EXAMPLE_SOURCE, seed=seed) for seed in (1, 1, 2))
    for ours, theirs in zip(one.get_weights(), same.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)
    assert not np.array_equal(one.get_weights()[0], other.get_weights()[0])
