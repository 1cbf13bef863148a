import json
import re

import yaml
from prometheus_client import CollectorRegistry

from api.middleware.observer import RequestMetrics
from api.services.relay_metrics import RelayMetrics
from inferencer.metrics import Metrics as InferencerMetrics
from orchestrator.metrics import Metrics as OrchestratorMetrics

from .rendering import K8S, build, find_one

MONITORING = K8S / "components" / "monitoring"
LEAST_RUNBOOK = 40


def metric_names() -> set[str]:
    """Return every name under which the parts show a metric."""
    registries: list[CollectorRegistry] = [
        RequestMetrics(registry=CollectorRegistry()).registry,
        RelayMetrics().registry,
        OrchestratorMetrics().registry,
        InferencerMetrics().registry,
    ]
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
    return {
        family.name + suffix
        for registry in registries
        for family in registry.collect()
        for suffix in suffixes.get(family.type, [""])
    }


def test_alerts_and_dashboards_ask_for_metrics_that_there_are() -> None:
    texts = [(MONITORING / "alerts.yaml").read_text()]
    for path in (MONITORING / "dashboards").glob("*.json"):
        panels = json.loads(path.read_text())["panels"]
        texts += [target["expr"] for panel in panels for target in panel["targets"]]
    asked = set(re.findall(r"\bkafkaml_\w+", " ".join(texts)))
    assert len(asked) > 10
    assert asked <= metric_names()


def test_every_alert_says_what_to_do() -> None:
    (group,) = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["spec"]["groups"]
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert {"summary", "description", "runbook"} <= rule["annotations"].keys()
        assert len(rule["annotations"]["runbook"]) > LEAST_RUNBOOK


def test_prometheus_reads_ports_that_there_are() -> None:
    manifests = build(K8S / "overlays" / "monitoring")
    monitor = find_one(manifests, "PodMonitor", "kafka-ml-parts")
    (expression,) = monitor["spec"]["selector"]["matchExpressions"]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    for part in expression["values"]:
        deployment = find_one(manifests, "Deployment", part)
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert endpoint["port"] in {port["name"] for port in container["ports"]}


def test_grafana_gets_both_dashboards() -> None:
    found = {
        key
        for each in build(K8S / "overlays" / "monitoring")
        if "grafana_dashboard" in each["metadata"].get("labels", {})
        for key in each["data"]
    }
    assert found == {"kafka-ml.json", "inferences.json"}
