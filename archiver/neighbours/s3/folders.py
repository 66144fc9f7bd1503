"""Listings of a store that sorts within folders only, as SeaweedFS does."""


def start_in_folder(folder: str, after: str) -> str:
    """From where a listing of one folder, sorted by name, is sure to hold all whose keys sort after a mark.

    A folder ``a`` comes before ``a-b`` by its name, but its keys ``a/…`` come after it: the mark is cut before the
    first character that sorts before the slash, and once more, for a folder of exactly that name.
    """
    base = f"{folder}/" if folder else ""
    if not after.startswith(base):
        return ""
    name = after[len(base) :].partition("/")[0]
    safe = next((place for place, character in enumerate(name) if character < "/"), len(name))
    return base + name[: safe - 1] if safe > 1 else ""
