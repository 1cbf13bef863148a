import urllib.error
import urllib.request

from inferencer.health import Health
from inferencer.metrics import Metrics
from inferencer.probes import probe_server


def get(port: int | None, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        with e:
            return e.code, e.read().decode()


def test_a_replica_is_ready_while_it_serves_and_nothing_is_wrong() -> None:
    health = Health()
    with probe_server(port=0, health=health, metrics=Metrics()) as port:
        assert get(port, "/healthz")[0] == 200
        assert get(port, "/readyz") == (503, "not serving yet\n")
        health.serving()
        assert get(port, "/readyz")[0] == 200
        health.degraded("out: unknown topic")
        assert get(port, "/readyz") == (503, "out: unknown topic\n")
        health.recovered()
        assert get(port, "/readyz?verbose")[0] == 200
        assert get(port, "/other")[0] == 404


def test_replies_and_stages_are_counted() -> None:
    metrics = Metrics()
    with metrics.stage("decode"):
        metrics.delivered(answers=3, dead_letters=1)
    with probe_server(port=0, health=Health(), metrics=metrics) as port:
        status, text = get(port, "/metrics")

    assert status == 200
    assert "kafkaml_inferencer_answers_total 3.0" in text
    assert "kafkaml_inferencer_dead_letters_total 1.0" in text
    assert 'kafkaml_inferencer_batch_records_bucket{le="4.0"} 1.0' in text
    assert 'kafkaml_inferencer_stage_seconds_total{stage="decode"}' in text


def test_no_port_is_no_server() -> None:
    with probe_server(port=None, health=Health(), metrics=Metrics()) as port:
        assert port is None
