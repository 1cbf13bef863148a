import json
import re
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from api.middleware.observer import RequestMetrics
from api.services.relay_metrics import RelayMetrics
from orchestrator.metrics import Metrics

from .project import ROOT

FOLDER = ROOT / "observability"


@pytest.fixture
def dashboard() -> dict[str, Any]:
    path = FOLDER / "grafana" / "dashboards" / "kafka-ml.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def metric_names() -> set[str]:
    """Return every name under which the parts show a metric."""
    registries: list[CollectorRegistry] = [
        RequestMetrics(registry=CollectorRegistry()).registry,
        RelayMetrics().registry,
        Metrics().registry,
    ]
    names = set()
    for registry in registries:
        for family in registry.collect():
            suffixes = {
                "counter": ["_total"],
                "histogram": ["_bucket", "_sum", "_count"],
            }.get(family.type, [""])
            names |= {family.name + suffix for suffix in suffixes}
    return names


def names_in(expressions: list[str]) -> set[str]:
    return set(re.findall(r"kafkaml_\w+", " ".join(expressions)))


def test_the_dashboard_asks_for_metrics_that_there_are(dashboard: dict[str, Any]) -> None:
    asked = names_in(
        [
            target["expr"]
            for panel in dashboard["panels"]
            for target in panel.get("targets", [])
        ]
    )
    assert asked
    assert asked <= metric_names()


def test_alerts_ask_for_metrics_that_there_are() -> None:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    asked = names_in([rule["expr"] for group in groups for rule in group["rules"]])
    assert asked
    assert asked <= metric_names()


def test_each_panel_says_what_it_shows_and_has_a_place(dashboard: dict[str, Any]) -> None:
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert all(panel["title"] and panel["description"] for panel in panels)
    cells = [
        (x, y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells)), "no panel lies over another"
    assert max(x for x, _ in cells) < 24


def test_the_datasource_is_the_one_that_the_panels_ask(dashboard: dict[str, Any]) -> None:
    text = (FOLDER / "grafana" / "datasource.yml").read_text()
    (source,) = yaml.safe_load(text)["datasources"]
    used = {
        panel["datasource"]["uid"] for panel in dashboard["panels"] if "datasource" in panel
    }
    assert used == {source["uid"]}
