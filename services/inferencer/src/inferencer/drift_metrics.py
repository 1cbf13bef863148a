"""Drift as Prometheus takes it."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from kafkaml.schemas.statistics import ClassesDrift, FeaturesDrift, WindowDrift


class DriftCollector(Collector):
    """Shows the newest window; single features only where they are among the first."""

    def __init__(self) -> None:
        self.window: WindowDrift | None = None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        window = self.window
        yield _level(window)
        for figure, what in (("psi", "Population stability index"), ("ks", "KS statistic")):
            yield _figures(window, figure, what)
            yield _top(window, figure, what)


def _level(window: WindowDrift | None) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "kafkaml_inferencer_drift_level",
        "The largest figure of the newest window, as a share of its limit",
        labels=["training_id"],
    )
    if window:
        family.add_metric([str(window.training_id)], window.level)
    return family


def _figures(window: WindowDrift | None, figure: str, what: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        f"kafkaml_inferencer_drift_{figure}",
        f"{what} of the newest window against the training, over features and of classes",
        labels=["training_id", "of"],
    )
    if window:
        for of, value in _values(window.features, window.classes, figure):
            family.add_metric([str(window.training_id), of], value)
    return family


def _values(
    features: FeaturesDrift | None, classes: ClassesDrift | None, figure: str
) -> Iterator[tuple[str, float]]:
    if features:
        yield "features_max", getattr(features, f"{figure}_max")
        yield "features_mean", getattr(features, f"{figure}_mean")
    if classes:
        yield "classes", getattr(classes, figure)


def _top(window: WindowDrift | None, figure: str, what: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        f"kafkaml_inferencer_feature_drift_{figure}",
        f"{what} of the features that are furthest off",
        labels=["training_id", "feature"],
    )
    if window and window.features:
        for each in window.features.top:
            name = each.name or str(each.feature)
            family.add_metric([str(window.training_id), name], getattr(each, figure))
    return family
