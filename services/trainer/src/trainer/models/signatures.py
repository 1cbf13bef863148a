"""What a model takes and gives, as it says itself. Child only."""

from typing import Any

from kafkaml.descriptions import TensorSignature


def signatures_of(model: Any) -> dict[str, TensorSignature | None]:
    """Return the `input` and the `output` of a model; None where it does not tell."""
    return {
        "input": _signature(getattr(model, "inputs", None)),
        "output": _signature(getattr(model, "outputs", None)),
    }


def _signature(tensors: Any) -> TensorSignature | None:
    if not tensors or len(tensors) != 1:
        return None
    tensor = tensors[0]
    return TensorSignature(
        name=str(tensor.name), dtype=str(tensor.dtype), shape=list(tensor.shape[1:])
    )
