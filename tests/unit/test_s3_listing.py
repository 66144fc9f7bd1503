"""Where a listing of one folder, sorted by name as SeaweedFS does, may begin without missing a key."""

from hypothesis import given
from hypothesis import strategies as st

from archiver.neighbours.s3.folders import start_in_folder

NAME = st.text("a-.0b~ä", min_size=1, max_size=5)


@given(st.sampled_from(["", "data", "a-b/c"]), st.lists(NAME, max_size=3).map("/".join), NAME, st.booleans())
def test_nothing_after_the_mark_is_skipped(folder: str, rest: str, name: str, is_folder: bool) -> None:
    base = f"{folder}/" if folder else ""
    after = base + rest
    start = start_in_folder(folder, after)
    key = f"{base}{name}/" if is_folder else f"{base}{name}"
    wanted = key.encode() > after.encode() or (is_folder and after.startswith(key))
    if wanted and start:
        assert start.startswith(base)
        assert name > start[len(base) :]


def test_a_long_folder_is_not_read_from_its_beginning() -> None:
    assert start_in_folder("ledger", "ledger/0000009984.json") == "ledger/000000998"
    assert start_in_folder("data", "ledger/0000009984.json") == ""
