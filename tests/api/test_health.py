import asyncpg

from api.storage.schema import expected_revision
from tests.api.actors import BASE_URL, Actors, code_of
from tests.api.scenarios import accepted, new_model

ROOT = BASE_URL.removesuffix("/api/v1/")


async def test_a_sound_process_is_healthy_and_ready(api: Actors) -> None:
    for path in ("/healthz", "/readyz"):
        assert accepted(await api.anonymous.get(ROOT + path)) == {"status": "ok"}


async def test_without_its_schema_it_is_not_ready(api: Actors, database_url: str) -> None:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    await connection.execute("UPDATE alembic_version SET version_num = '0000'")
    try:
        response = await api.anonymous.get(f"{ROOT}/readyz")
    finally:
        await connection.execute(
            "UPDATE alembic_version SET version_num = $1", expected_revision()
        )
        await connection.close()
    assert (response.status_code, code_of(response)) == (503, "unavailable")
    assert response.headers["Retry-After"]
    assert (await api.anonymous.get(f"{ROOT}/healthz")).status_code == 200


async def test_requests_are_measured_by_the_template_of_their_route(api: Actors) -> None:
    model_id = await new_model(api)
    for _ in range(2):
        accepted(await api.viewer.get(f"models/{model_id}"))
    await api.viewer.get("models/999")
    await api.viewer.get("nothing/at/all")
    await api.viewer.get("nothing/else")
    text = (await api.anonymous.get(f"{ROOT}/metrics")).text
    route = 'method="GET",route="/api/v1/models/{model_id}"'
    assert f'kafkaml_api_requests_total{{{route},status="200"}} 2.0' in text
    assert f'kafkaml_api_requests_total{{{route},status="404"}} 1.0' in text
    assert f"kafkaml_api_request_seconds_count{{{route}}} 3.0" in text
    unknown = 'method="*",route="(none)",status="404"'
    assert f"kafkaml_api_requests_total{{{unknown}}} 2.0" in text
    assert "nothing" not in text
