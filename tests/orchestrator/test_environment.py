from pydantic import SecretStr

from kafkaml.schemas.workloads import WantedTopic, WorkloadKind
from orchestrator.builders.environment import (
    CLUSTERS_VARIABLE,
    SECRET_VARIABLES,
    EnvironmentBuilder,
)
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


def test_other_clusters_are_told_only_to_those_who_use_one() -> None:
    settings = Settings(kafka_clusters=SecretStr("{}"))
    builder = EnvironmentBuilder(settings=settings)
    here = [WantedTopic(name="in", partitions=1)]
    there = [*here, WantedTopic(name="out", partitions=1, cluster="edge")]

    told = builder.build(workload().model_copy(update={"topics": there}), 0, "token")
    not_told = builder.build(workload().model_copy(update={"topics": here}), 0, "token")

    assert told[CLUSTERS_VARIABLE] == "{}"
    assert CLUSTERS_VARIABLE in SECRET_VARIABLES
    assert CLUSTERS_VARIABLE not in not_told


def test_it_can_ask_the_schema_registry() -> None:
    settings = Settings(
        schema_registry_url="https://registry", schema_registry_password=SecretStr("word")
    )
    environment = EnvironmentBuilder(settings=settings).build(workload(), 0, "token")
    assert environment["KAFKA_ML_SCHEMA_REGISTRY_URL"] == "https://registry"
    assert environment["KAFKA_ML_SCHEMA_REGISTRY_PASSWORD"] == "word"
    assert "KAFKA_ML_SCHEMA_REGISTRY_PASSWORD" in SECRET_VARIABLES


def test_people_set_what_all_inferencers_or_trainers_are_told() -> None:
    settings = Settings(
        inferencer_settings={"ENGINE": "keras", "URL": "http://other", "TOKEN": "other"},
        trainer_settings={"DATA_PATIENCE_SECONDS": "9", "KAFKA_SASL_PASSWORD": "word"},
    )
    builder = EnvironmentBuilder(settings=settings)
    inference = builder.build(workload(WorkloadKind.INFERENCE, 5), 0, "theirs")
    training = builder.build(workload(), 0, "theirs")

    assert inference["KAFKA_ML_ENGINE"] == "keras"
    assert inference["KAFKA_ML_URL"] == training["KAFKA_ML_URL"] != "http://other"
    assert inference["KAFKA_ML_TOKEN"] == "theirs"
    assert "KAFKA_ML_ENGINE" not in training
    assert training["KAFKA_ML_DATA_PATIENCE_SECONDS"] == "9"
    assert "KAFKA_ML_KAFKA_SASL_PASSWORD" not in training, "it would be no secret there"


def test_inferences_are_told_who_may_ask_them() -> None:
    inference, training = workload(WorkloadKind.INFERENCE, 5), workload()
    for predict_auth, told in (("key", None), ("none", "none")):
        builder = EnvironmentBuilder(settings=Settings(predict_auth=predict_auth))
        assert builder.build(inference, 0, "x").get("KAFKA_ML_PREDICT_AUTH") == told
        assert "KAFKA_ML_PREDICT_AUTH" not in builder.build(training, 0, "x")
