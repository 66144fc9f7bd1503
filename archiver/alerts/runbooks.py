"""The pages of ``docs/alerts``: what an alert means, what to look at, what to do.

``pages`` is a link to them in the repository; a wheel has copies.
"""

from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable


@cache
def names() -> tuple[str, ...]:
    """The alerts that have a page, in alphabetical order."""
    names = (page.name for page in _directory().iterdir())
    return tuple(sorted(name.removesuffix(".md") for name in names if name.endswith(".md")))


def page(name: str) -> str | None:
    """The page of an alert, Markdown; None where there is none."""
    return _directory().joinpath(f"{name}.md").read_text(encoding="utf-8") if name in names() else None


def _directory() -> Traversable:
    return resources.files("archiver.alerts").joinpath("pages")
