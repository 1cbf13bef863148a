"""Tokens."""

from fastapi import APIRouter, status

from api.dependencies import Tokens, WantedPage
from api.handlers.paths import PathId
from api.permissions import MAY_ADMINISTER, KnownCaller
from kafkaml.schemas.base import Page
from kafkaml.schemas.tokens import NewToken, Token, TokenCreate

router = APIRouter(prefix="/tokens", tags=["tokens"])


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Create a token",
    description="The secret is in this answer and nowhere else.",
    dependencies=[MAY_ADMINISTER],
)
async def create_token(body: TokenCreate, tokens: Tokens) -> NewToken:
    return await tokens.create(body)


@router.get("", summary="List tokens", dependencies=[MAY_ADMINISTER])
async def list_tokens(tokens: Tokens, page: WantedPage) -> Page[Token]:
    return await tokens.page(page)


@router.get("/current", summary="Show the token that this call was made with")
async def show_current_token(caller: KnownCaller, tokens: Tokens) -> Token:
    return await tokens.get(caller.token_id)


@router.delete(
    "/{token_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete a token",
    dependencies=[MAY_ADMINISTER],
)
async def delete_token(token_id: PathId, tokens: Tokens) -> None:
    await tokens.delete(token_id)
