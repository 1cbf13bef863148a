from pydantic import SecretStr

from orchestrator.builders.environment import EnvironmentBuilder
from orchestrator.config import Settings

from .builders import workload


def test_a_workload_gets_its_own_token_and_never_that_of_the_orchestrator() -> None:
    settings = Settings(token=SecretStr("mine"), url="http://api:1", events_topic="facts")
    environment = EnvironmentBuilder(settings=settings).build(workload(), 2, "theirs")
    assert environment["KAFKA_ML_TOKEN"] == "theirs"
    assert environment["KAFKA_ML_URL"] == "http://api:1"
    assert environment["KAFKA_ML_REPLICA"] == "2"
    assert environment["KAFKA_ML_EVENTS_TOPIC"] == "facts"
    assert "mine" not in environment.values()
    assert "KAFKA_ML_KAFKA_SASL_PASSWORD" not in environment


def test_it_can_reach_a_protected_kafka() -> None:
    settings = Settings(
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism="PLAIN",
        kafka_sasl_username="user",
        kafka_sasl_password=SecretStr("word"),
    )
    environment = EnvironmentBuilder(settings=settings).build(workload(), 0, "token")
    assert environment["KAFKA_ML_KAFKA_SASL_PASSWORD"] == "word"
    assert environment["KAFKA_ML_KAFKA_SECURITY_PROTOCOL"] == "SASL_SSL"
