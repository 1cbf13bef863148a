"""Figures about the passes, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """The orchestrator's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.pass_seconds = Histogram(
            "kafkaml_orchestrator_pass_seconds",
            "How long one pass took",
            registry=self.registry,
        )
        self.failed_passes = Counter(
            "kafkaml_orchestrator_failed_passes_total",
            "Passes that could not ask the API or the executor",
            registry=self.registry,
        )
        self.actions = Counter(
            "kafkaml_orchestrator_actions_total",
            "Actions by kind and outcome",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self.last_success = Gauge(
            "kafkaml_orchestrator_last_success_timestamp_seconds",
            "When a pass last went through",
            registry=self.registry,
        )
