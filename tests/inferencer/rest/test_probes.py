"""Probes and metrics, as Kubernetes and Prometheus ask for them."""

from .conftest import Ask


def test_a_replica_is_ready_while_it_serves_and_nothing_is_wrong(serve: Ask) -> None:
    with serve() as asked:
        assert asked.get("/healthz", None)[0] == 200
        assert asked.get("/readyz", None) == (503, "not serving yet\n")
        asked.health.serving()
        assert asked.get("/readyz", None)[0] == 200
        asked.health.degraded("out: unknown topic")
        assert asked.get("/readyz", None) == (503, "out: unknown topic\n")
        asked.health.recovered()
        assert asked.get("/readyz?verbose", None)[0] == 200
        assert asked.get("/other", None)[0] == 404


def test_stages_are_among_the_metrics(serve: Ask) -> None:
    with serve() as asked:
        with asked.metrics.stage("decode"):
            pass
        status, text = asked.get("/metrics", None)

    assert status == 200
    assert "kafkaml_inferencer_stage_seconds_" in text
