"""The pages in docs/: nothing that the program knows is missing, and every link leads somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver import errors
from archiver.app.health import ALERTS
from archiver.cli.failure import UNEXPECTED
from archiver.cli.program import app
from archiver.config import reference
from archiver.errors import Interrupted
from tests.docs.commands import commands
from tests.support import monitoring
from tests.support.deployment import ROOT

DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "README.md", *sorted((DOCS / "alerts").glob("*.md"))]
HEALTH_ALERTS = set(ALERTS.values())
"""Raised by ``archiver health`` and by no rule."""
OPERATIONS = (DOCS / "operations.md").read_text()


def exit_statuses() -> set[int]:
    """All that the program can end with, from its own errors."""

    def below(kind: type[errors.ArchiverError]) -> Iterator[int]:
        yield kind.exit_status
        for one in kind.__subclasses__():
            yield from below(one)

    return {0, UNEXPECTED, Interrupted.exit_status, *below(errors.ArchiverError)}


def test_the_configuration_reference_is_what_the_settings_say() -> None:
    """When it differs: ``python -m archiver.config.reference > docs/configuration.md``."""
    assert (DOCS / "configuration.md").read_text() == reference.page()


@pytest.mark.parametrize("part", list(reference.parts()), ids=lambda part: part.name or "top level")
def test_every_setting_is_described(part: reference.Part) -> None:
    assert part.about
    for one in part.settings:
        assert len(one.description) > len("x."), one.name
        assert one.description.endswith("."), one.name
        assert one.kind


@pytest.mark.parametrize("status", sorted(exit_statuses()))
def test_every_exit_status_is_documented(status: int) -> None:
    (section,) = re.findall(rf"(?ms)^### {status}: (.*?)(?=^##)", OPERATIONS)
    assert len(section) > 100, "what happened, and what to do"
    assert re.search(rf"\b{status}\b", str(app.info.epilog)), "archiver --help"
    assert re.search(rf"(?m)^\| {status} \|", (ROOT / "README.md").read_text())


def test_no_exit_status_is_invented() -> None:
    assert {int(found) for found in re.findall(r"(?m)^### (\d+): ", OPERATIONS)} == exit_statuses()


def test_every_alert_is_in_the_operations_page() -> None:
    named = set(re.findall(r"\]\(alerts/(\w+)\.md\)", OPERATIONS))
    assert named == {*monitoring.alerts(), *HEALTH_ALERTS}
    assert named == {path.stem for path in (DOCS / "alerts").glob("*.md")}


@pytest.mark.parametrize("name", sorted(monitoring.alerts()))
def test_every_rule_leads_to_its_page(name: str) -> None:
    url = monitoring.alerts()[name]["annotations"]["runbook_url"]
    assert url.endswith(f"docs/alerts/{name}.md")
    page = (DOCS / "alerts" / f"{name}.md").read_text()
    for heading in ("## What it means", "## What to look at", "## What to do"):
        assert heading in page


def test_every_metric_of_the_program_is_documented() -> None:
    documented = set(re.findall(r"(?m)^\| `(archiver_\w+)`", (DOCS / "metrics.md").read_text()))
    assert documented
    source = "".join(path.read_text() for path in (ROOT / "archiver").rglob("*.py"))
    written = set(
        re.findall(r"[\"'](archiver_\w+_(?:seconds|rows|bytes|status|info|objects|findings|sequence))[\"']", source)
    )
    assert written <= documented


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        place = page.parent / name if name else page
        assert place.exists(), target
        if anchor:
            assert anchor in _anchors(place.read_text()), target


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"(?m)^#+ (.*)$", text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_index_names_every_page() -> None:
    index = (DOCS / "README.md").read_text()
    missing = [
        page.name for page in sorted(DOCS.glob("*.md")) if page.name != "README.md" and f"]({page.name})" not in index
    ]
    assert missing == []


SAYING = sorted(path for path in (ROOT / "archiver").rglob("*.py") if "`archiver " in path.read_text())
"""Hints, help and reports that tell a person what to run."""


@pytest.mark.parametrize("page", [*PAGES, *SAYING], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_line_in_a_page_is_one(page: Path) -> None:
    """`archiver …` in a page, or in what the program says, names a command that there is, with options that it has."""
    known = {one.path: set(one.options) for one in commands()}
    everywhere = {"--help", "-h", "--config", "--quiet", "-q", "--verbose", "-v", "--version"}
    for line in _command_lines(page.read_text()):
        words = [word for word in line.split() if word not in everywhere]
        path = next((path for path in known if tuple(words[: len(path)]) == path), None)
        if path is None:
            if words and words[0].startswith("{"):
                continue  # filled in by the program
            assert not words or words[0].startswith("--") or tuple(words) in {one[: len(words)] for one in known}, line
            continue
        options = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert options - everywhere <= known[path], line


def _command_lines(text: str) -> Iterator[str]:
    """What follows `archiver ` in code, up to where another command begins."""
    code = re.findall(r"`(archiver [^`\n]+)`", text)
    for block in re.findall(r"(?ms)^```(?:console|sh|bash|)\n(.*?)^```", text):
        code += re.findall(r"(?m)^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\S*/)?(archiver .*)$", block.replace("\\\n", " "))
    for line in code:
        command = re.split(r"\s[|>;&#]|,\s|…|\s\(", line.removeprefix("archiver "))[0]
        yield re.sub(r"\"[^\"]*\"|'[^']*'|<[^>]*>", "x", command).rstrip(".")
