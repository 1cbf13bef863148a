import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.exceptions import BadCursorError
from api.paging import cursor_of_id, id_of_cursor
from tests.api.actors import Actors, code_of
from tests.api.scenarios import accepted, new_model


async def test_pages_follow_each_other_newest_first(api: Actors) -> None:
    ids = [await new_model(api) for _ in range(5)]
    seen: list[int] = []
    cursor = None
    for size in (2, 2, 1):
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = accepted(await api.viewer.get("models", params=params))
        assert len(page["items"]) == size
        seen += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert seen == ids[::-1]


async def test_a_page_stays_as_it_is_when_things_come_and_go(api: Actors) -> None:
    ids = [await new_model(api) for _ in range(4)]
    first = accepted(await api.viewer.get("models", params={"limit": 2}))
    await new_model(api)
    accepted(await api.editor.delete(f"models/{ids[2]}"))
    params = {"limit": 2, "cursor": first["next_cursor"]}
    second = accepted(await api.viewer.get("models", params=params))
    assert [each["id"] for each in second["items"]] == [ids[1], ids[0]]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("cursor", ["", "x", "aWQ8MA", "aWQ8MQ==", "💥", "\x00", "a" * 999])
async def test_a_cursor_that_we_did_not_make_is_refused(api: Actors, cursor: str) -> None:
    for path in ("models", "configurations", "trainings", "datasources", "inferences"):
        response = await api.viewer.get(path, params={"cursor": cursor})
        assert (response.status_code, code_of(response)) == (422, "bad-cursor")


@given(st.integers(1, 2**63 - 1))
def test_a_cursor_hides_an_id(last_id: int) -> None:
    assert id_of_cursor(cursor_of_id(last_id)) == last_id


@given(st.text())
def test_any_other_text_is_no_cursor(text: str) -> None:
    try:
        last_id = id_of_cursor(text)
    except BadCursorError:
        return
    assert cursor_of_id(last_id) == text
