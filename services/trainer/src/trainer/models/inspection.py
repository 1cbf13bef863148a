"""What a built model is, for people and for the trainer. Runs inside the child only."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from kafkaml.schemas.models import ModelCheck
from trainer.exceptions import ModelCodeError
from trainer.messages import Built, LabelRule
from trainer.models.source import input_shapes

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SUMMARY_LENGTH = 50_000
TRIAL_FILE = Path("trial.keras")


def inspect_model(model: Any, *, try_saving: bool) -> Built:
    """Describe a model; `try_saving` also sees whether it comes back from a file."""
    inputs = input_shapes(model) or []
    outputs = _output_shapes(model, inputs)
    warnings = [] if not try_saving else _saving_warnings(model)
    for name, shapes in (("inputs", inputs), ("outputs", outputs)):
        if len(shapes) > 1:
            warnings.append(f"the model has {len(shapes)} {name}: a stream serves only one")
    check = ModelCheck(
        summary=_summary(model),
        input_shapes=[list(shape) for shape in inputs],
        output_shapes=[list(shape) for shape in outputs],
        parameter_count=model.count_params(),
        loss=_loss_name(model.loss),
        metrics=_metric_names(model),
        warnings=warnings,
    )
    return Built(check=check, labels=label_rule(model.loss))


def label_rule(loss: Any) -> LabelRule:
    """Return what a loss takes as labels."""
    try:
        known = keras.losses.get(loss)
    except (ValueError, TypeError):
        return "any"
    name = getattr(known, "__name__", type(known).__name__)
    if name in {"sparse_categorical_crossentropy", "SparseCategoricalCrossentropy"}:
        return "classes"
    is_of_keras = type(known).__module__.startswith("keras.") or (
        getattr(known, "__module__", "") or ""
    ).startswith("keras.")
    if known is None or not is_of_keras:
        return "any"
    is_crossentropy = "crossentropy" in name.lower().replace("_", "")
    return "probabilities" if is_crossentropy else "outputs"


def _output_shapes(
    model: Any, inputs: list[tuple[int | None, ...]]
) -> list[tuple[int | None, ...]]:
    outputs = getattr(model, "outputs", None)
    if outputs:
        return [tuple(each.shape[1:]) for each in outputs]
    if len(inputs) != 1:
        raise ModelCodeError("a model with several inputs must be made with keras.Input")
    specification = model.compute_output_spec(keras.KerasTensor((None, *inputs[0])))
    return [tuple(each.shape[1:]) for each in keras.tree.flatten(specification)]


def _summary(model: Any) -> str:
    lines: list[str] = []
    model.summary(line_length=80, print_fn=lambda text, **_: lines.append(str(text)))
    return "\n".join(lines)[:MAX_SUMMARY_LENGTH]


def _loss_name(loss: Any) -> str | None:
    if loss is None or isinstance(loss, str):
        return loss
    if isinstance(loss, dict | list | tuple):
        parts = loss.values() if isinstance(loss, dict) else loss
        return ", ".join(_loss_name(each) or "none" for each in parts)
    return str(
        getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__)
    )


def _metric_names(model: Any) -> list[str]:
    """Return the names that the user's metrics have in the reports, as far as known."""
    return _names_in(model.get_compile_config().get("metrics"))


def _names_in(config: Any) -> list[str]:
    if isinstance(config, str):
        return [config]
    if isinstance(config, list | tuple):
        return [name for each in config for name in _names_in(each)]
    if isinstance(config, dict) and "class_name" in config:
        inner = config.get("config")
        if isinstance(inner, dict):
            return [str(inner.get("name", config["class_name"]))]
        return [str(inner or config["class_name"])]
    if isinstance(config, dict):
        return [name for each in config.values() for name in _names_in(each)]
    return []


def _saving_warnings(model: Any) -> list[str]:
    """Save the model and load it as an inferencer does: without its source."""
    try:
        model.save(TRIAL_FILE)
        with _without_custom_objects():
            keras.saving.load_model(TRIAL_FILE, compile=False, safe_mode=True)
    except Exception as e:  # noqa: BLE001  # Keras raises many kinds
        reason = (str(e).strip().splitlines() or [type(e).__name__])[0][:500]
        return [f"the model can be trained, but not served: {reason}"]
    finally:
        TRIAL_FILE.unlink(missing_ok=True)
    return []


@contextmanager
def _without_custom_objects() -> "Iterator[None]":
    custom = keras.saving.get_custom_objects()
    kept = dict(custom)
    custom.clear()
    try:
        yield
    finally:
        custom.update(kept)
