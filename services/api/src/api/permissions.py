"""Who may call which route. A route that does not say so keeps the API from starting."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts

from api.dependencies import CurrentCaller
from api.exceptions import ForbiddenError, UndeclaredPermissionError
from api.services.authentication import Caller
from kafkaml.schemas.tokens import Scope

# Whoever may see the documentation learns nothing that the source code does not say.
PUBLIC_PATHS = frozenset(
    {
        "/",
        "/docs",
        "/docs/oauth2-redirect",
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/readyz",
        "/redoc",
        "/static-offline-docs",
    }
)


class Permission:
    """Lets callers pass whose token has one of some scopes."""

    def __init__(self, *scopes: Scope) -> None:
        self.scopes = scopes

    async def __call__(self, caller: CurrentCaller) -> Caller:
        """Return the caller; raise ForbiddenError."""
        if caller.scope not in self.scopes:
            raise ForbiddenError(scope=caller.scope, needed=self.scopes)
        return caller


VIEW = Permission(Scope.VIEWER, Scope.EDITOR, Scope.ADMIN)
EDIT = Permission(Scope.EDITOR, Scope.ADMIN)
ADMINISTER = Permission(Scope.ADMIN)
ORCHESTRATE = Permission(Scope.ORCHESTRATOR)
RECORD = Permission(Scope.CONTROL_LOGGER)
ATTEMPT = Permission(Scope.ATTEMPT)
ANYONE_KNOWN = Permission(*Scope)

MAY_VIEW = Depends(VIEW)
MAY_EDIT = Depends(EDIT)
MAY_ADMINISTER = Depends(ADMINISTER)
MAY_ORCHESTRATE = Depends(ORCHESTRATE)
MAY_RECORD = Depends(RECORD)

KnownCaller = Annotated[Caller, Depends(ANYONE_KNOWN)]
AttemptCaller = Annotated[Caller, Depends(ATTEMPT)]


def permission_of(route: RouteContext) -> Permission | None:
    """Return the permission that a route declares."""
    dependant = getattr(route, "dependant", None)
    if not isinstance(dependant, Dependant):
        return None
    return next(_permissions_in(dependant), None)


def check_permissions(app: FastAPI) -> None:
    """Raise UndeclaredPermissionError if a route does not say who may call it."""
    open_routes = [
        str(route.path)
        for route in iter_route_contexts(app.routes)
        if route.path not in PUBLIC_PATHS and permission_of(route) is None
    ]
    if open_routes:
        raise UndeclaredPermissionError(open_routes)


def _permissions_in(dependant: Dependant) -> Iterator[Permission]:
    if isinstance(dependant.call, Permission):
        yield dependant.call
    for each in dependant.dependencies:
        yield from _permissions_in(each)
