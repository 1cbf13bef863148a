"""Who may call what: generated from the routes that the app has."""

from collections.abc import Iterator

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import RouteContext, iter_route_contexts

from api.exceptions import UndeclaredPermissionError
from api.permissions import PUBLIC_PATHS, check_permissions, permission_of
from kafkaml.schemas.tokens import Scope
from tests.api.actors import BASE_URL, Actors, client, code_of
from tests.api.scenarios import accepted, new_model

ACTORS = {
    Scope.VIEWER: "viewer",
    Scope.EDITOR: "editor",
    Scope.ADMIN: "admin",
    Scope.ORCHESTRATOR: "orchestrator",
    Scope.CONTROL_LOGGER: "control_logger",
}


def guarded_routes(app: FastAPI) -> Iterator[tuple[str, str, RouteContext]]:
    for route in iter_route_contexts(app.routes):
        if route.path not in PUBLIC_PATHS:
            for method in sorted(route.methods or ()):
                path = str(route.path).format(
                    model_id=1,
                    number=1,
                    configuration_id=1,
                    deployment_id=1,
                    training_id=1,
                    datasource_id=1,
                    inference_id=1,
                    token_id=999,
                    name="kafkaml-check-9-9",
                    replica=0,
                    partition=0,
                    offset=0,
                    artifact_format="onnx",
                )
                yield method, path.removeprefix("/api/v1/"), route


async def test_every_route_wants_a_token(api: Actors, shared_app: FastAPI) -> None:
    routes = list(guarded_routes(shared_app))
    assert len(routes) > 45
    for method, path, _ in routes:
        response = await api.anonymous.request(method, path)
        assert (response.status_code, code_of(response)) == (401, "unauthenticated"), path
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_every_route_refuses_an_unknown_token(
    api: Actors, shared_app: FastAPI
) -> None:
    for secret in ("kml_unknown", "x" * 8000):
        async with client(api.transport, secret) as stranger:
            for method, path, _ in guarded_routes(shared_app):
                response = await stranger.request(method, path)
                assert (response.status_code, code_of(response)) == (401, "token-invalid")


async def test_every_route_lets_in_those_it_names_and_nobody_else(
    api: Actors, shared_app: FastAPI
) -> None:
    for _ in range(2):
        await new_model(api)
    clients = {scope: getattr(api, name) for scope, name in ACTORS.items()}
    clients[Scope.ATTEMPT] = await api.attempt("kafkaml-check-2-1")
    for method, path, route in guarded_routes(shared_app):
        if path == "events":
            continue  # its answer has no end; it is tried below
        permission = permission_of(route)
        assert permission is not None
        for scope, caller in clients.items():
            response = await caller.request(method, path)
            if scope in permission.scopes:
                assert response.status_code not in {401, 403}, (scope, method, path)
            else:
                assert response.status_code == 403, (scope, method, path)
                assert code_of(response) == "forbidden"


async def test_events_are_for_those_who_may_view(api: Actors) -> None:
    checkers = [api.orchestrator, api.control_logger]
    responses = [await caller.get("events") for caller in checkers]
    assert [code_of(each) for each in responses] == ["forbidden"] * 2


@pytest.mark.parametrize(
    ("path", "scopes"),
    [
        ("GET models", {"viewer", "editor", "admin"}),
        ("POST models", {"editor", "admin"}),
        ("DELETE deployments/1", {"editor", "admin"}),
        ("POST trainings/1/stop", {"editor", "admin"}),
        ("POST datasources", {"control_logger"}),
        ("POST datasources/1/send", {"editor", "admin"}),
        ("GET events", {"viewer", "editor", "admin"}),
        ("GET tokens", {"admin"}),
        ("POST tokens", {"admin"}),
        ("DELETE tokens/999", {"admin"}),
        ("GET tokens/current", set(Scope)),
        ("GET workloads", {"orchestrator"}),
        ("POST workloads/kafkaml-check-9-9/token", {"orchestrator"}),
        ("POST inferences/1/predict", {"viewer", "editor", "admin"}),
        ("POST attempts/current/address", {"attempt"}),
        ("POST attempts/current/result", {"attempt"}),
        ("PUT attempts/current/artifact", {"attempt"}),
        ("PUT attempts/current/artifacts/onnx", {"attempt"}),
        ("PUT attempts/current/checkpoint", {"attempt"}),
        ("GET attempts/current/checkpoint", {"attempt"}),
    ],
)
def test_permissions_are_these(shared_app: FastAPI, path: str, scopes: set[str]) -> None:
    declared = {
        f"{method} {each}": permission_of(route)
        for method, each, route in guarded_routes(shared_app)
    }
    permission = declared[path]
    assert permission is not None
    assert set(permission.scopes) == scopes


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer", "bearer ", "Token x"])
async def test_other_kinds_of_credentials_are_not_known(api: Actors, header: str) -> None:
    response = await api.anonymous.get("models", headers={"Authorization": header})
    assert response.status_code == 401


async def test_a_token_in_the_address_does_not_count(api: Actors) -> None:
    secret = api.viewer.headers["Authorization"].removeprefix("Bearer ")
    for name in ("token", "access_token"):
        response = await api.anonymous.get("models", params={name: secret})
        assert response.status_code == 401


async def test_public_paths_need_no_token(api: Actors) -> None:
    root = BASE_URL.removesuffix("/api/v1/")
    for path in ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/redoc"):
        accepted_response = await api.anonymous.get(root + path)
        assert accepted_response.status_code == 200, path


def test_a_route_without_permission_keeps_the_api_from_starting() -> None:
    router = APIRouter()

    @router.get("/open")
    async def forgotten() -> None:
        return None

    app = FastAPI()
    app.include_router(router, prefix="/api/v1")
    with pytest.raises(UndeclaredPermissionError, match="/api/v1/open"):
        check_permissions(app)


async def test_an_attempt_sees_nothing_but_its_own(api: Actors) -> None:
    await new_model(api)
    checker = await api.attempt("kafkaml-check-1-1")
    accepted(await checker.get("attempts/current"))
    for path in ("models", "models/1", "deployments", "trainings", "workloads", "tokens"):
        assert (await checker.get(path)).status_code == 403
