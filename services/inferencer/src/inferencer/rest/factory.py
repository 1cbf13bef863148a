"""Builds what answers over HTTP."""

from inferencer.health import Health
from inferencer.metrics import Metrics
from inferencer.probes import Probes
from inferencer.rest.asked_records import AskedRecords
from inferencer.rest.asked_values import AskedValues
from inferencer.rest.open_inference import OpenInference
from inferencer.rest.routes import Routes
from inferencer.served_model import ServedModel
from kafkaml.records.base import Codec
from kafkaml.schemas.attempts import InferenceOrder


def build_routes(
    *,
    order: InferenceOrder,
    codec: Codec,
    model: ServedModel,
    health: Health,
    metrics: Metrics,
    key: str,
    is_open: bool,
) -> Routes:
    """Return the routes of a replica."""
    return Routes(
        probes=Probes(health=health, metrics=metrics),
        open_inference=OpenInference(order=order, model=model),
        records=AskedRecords(
            order=order,
            values=AskedValues(codec=codec, input_format=order.input_format),
            model=model,
            metrics=metrics,
        ),
        key=key,
        is_open=is_open,
    )
