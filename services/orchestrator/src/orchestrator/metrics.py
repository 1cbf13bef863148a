"""Figures about the passes, for Prometheus."""

from collections import Counter as Count
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from kafkaml.schemas.workloads import Phase, Workload, WorkloadKind
from orchestrator.executors.base import Replica


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
        self.action_seconds = Histogram(
            "kafkaml_orchestrator_action_seconds",
            "How long one action took, by kind",
            ["kind"],
            registry=self.registry,
        )
        self.last_success = Gauge(
            "kafkaml_orchestrator_last_success_timestamp_seconds",
            "When a pass last went through",
            registry=self.registry,
        )
        self.wanted_workloads = Gauge(
            "kafkaml_orchestrator_wanted_workloads",
            "Workloads that ought to run, by kind",
            ["kind"],
            registry=self.registry,
        )
        self.seen_replicas = Gauge(
            "kafkaml_orchestrator_seen_replicas",
            "Replicas that were seen, by phase",
            ["phase"],
            registry=self.registry,
        )
        self.postponed_actions = Gauge(
            "kafkaml_orchestrator_postponed_actions",
            "Actions that had no turn in the last pass",
            registry=self.registry,
        )

    def observe_pass(
        self, wanted: Sequence[Workload], seen: Sequence[Replica], *, postponed: int
    ) -> None:
        """Take the figures of a pass that went through."""
        kinds = Count(workload.kind for workload in wanted)
        for kind in WorkloadKind:
            self.wanted_workloads.labels(kind).set(kinds[kind])
        phases = Count(replica.phase for replica in seen)
        for phase in Phase:
            self.seen_replicas.labels(phase).set(phases[phase])
        self.postponed_actions.set(postponed)
