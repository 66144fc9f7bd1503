"""The dashboards: Grafana's own schema, sound PromQL, metrics that somebody exports, panels that do not overlap."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import debian, monitoring, npm

BOARDS = monitoring.DASHBOARDS
SCHEMA = Path(__file__).with_name("grafana_schema")

each_board = pytest.mark.parametrize("path", BOARDS, ids=lambda p: p.stem)


@pytest.fixture(scope="session")
def schema() -> Path:
    """A directory with Grafana's schema and a TypeScript compiler, installed once for each lock file."""
    return npm.installed(SCHEMA)


def compile_boards(schema: Path, directory: Path, boards: dict[str, Any]) -> str:
    """Return what TypeScript says about dashboards, nothing if it is content."""
    directory.mkdir(exist_ok=True)
    (directory / "node_modules").unlink(missing_ok=True)
    (directory / "node_modules").symlink_to(schema / "node_modules")
    (directory / "types.ts").write_text((SCHEMA / "check.ts.txt").read_text())
    for name, board in boards.items():
        lines = [
            'import type { Board, Custom, Options } from "./types";',
            f"export const board: Board = {json.dumps(board)};",
        ]
        for panel in monitoring.panels(board):
            kind, number = panel["type"], panel["id"]
            lines.append(f"export const options{number}: Options[{json.dumps(kind)}] = {json.dumps(panel['options'])};")
            if "custom" in panel["fieldConfig"]["defaults"]:
                custom = json.dumps(panel["fieldConfig"]["defaults"]["custom"])
                lines.append(f"export const custom{number}: Custom[{json.dumps(kind)}] = {custom};")
        (directory / f"{name}.ts").write_text("\n".join(lines))
    tsc = schema / "node_modules" / ".bin" / "tsc"
    strict = [
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--target",
        "es2022",
        "--module",
        "es2022",
        "--moduleResolution",
        "bundler",
    ]
    done = subprocess.run(
        [str(tsc), *strict, *(f"{n}.ts" for n in boards)], cwd=directory, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


def test_grafanas_own_schema_accepts_them(schema: Path, tmp_path: Path) -> None:
    assert compile_boards(schema, tmp_path, {p.stem: monitoring.dashboard(p) for p in BOARDS}) == ""


def test_the_schema_check_can_fail(schema: Path, tmp_path: Path) -> None:
    """A check that accepts everything would look the same."""
    wrong = monitoring.dashboard(BOARDS[0])
    wrong["refresh_every"] = "1m"
    stat = next(p for p in wrong["panels"] if p["type"] == "stat")
    stat["options"]["colorMode"] = "rainbow"
    said = compile_boards(schema, tmp_path, {"wrong": wrong})
    assert "refresh_every" in said
    assert "rainbow" in said


def test_the_schema_is_that_of_the_image() -> None:
    image = monitoring.service("grafana")["image"]
    assert (
        image
        == f"grafana/grafana:{json.loads((SCHEMA / 'package.json').read_text())['dependencies']['@grafana/schema']}"
    )


def test_the_lock_file_names_no_host() -> None:
    lock = json.loads((SCHEMA / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())
    assert all("integrity" in package for name, package in lock["packages"].items() if name)


@each_board
def test_promtool_accepts_every_query(path: Path, tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:query:{i}", "expr": expression}
        for i, (_, expression) in enumerate(monitoring.promql(monitoring.dashboard(path)))
    ]
    assert rules
    assert not [r["expr"] for r in rules if "$" in r["expr"]], "a variable or macro that the test does not fill in"
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": path.stem, "rules": rules}]}))
    done = subprocess.run(
        [debian.binary("promtool"), "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@each_board
def test_the_page_is_whole(path: Path) -> None:
    board = monitoring.dashboard(path)
    assert board["uid"] == path.stem
    ids = [p["id"] for p in board["panels"]]
    assert len(ids) == len(set(ids))
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            assert cell not in taken, f"{panel['title']} lies over {taken[cell]}"
            taken[cell] = panel["title"]
    for panel in monitoring.panels(board):
        assert panel["title"]
        assert panel["type"] in {"logs", "table"} or panel["fieldConfig"]["defaults"]["unit"], (
            f"{panel['title']} has no unit"
        )


@each_board
def test_data_sources_are_variables_and_provisioned(path: Path) -> None:
    provisioned = {
        d["uid"]: d["type"] for d in monitoring.read("grafana/provisioning/datasources/datasources.yaml")["datasources"]
    }
    board = monitoring.dashboard(path)
    variables = {v["name"]: v for v in board["templating"]["list"] if v["type"] == "datasource"}
    for variable in variables.values():
        assert provisioned[variable["current"]["value"]] == variable["query"]
    used = {t["datasource"]["uid"] for p in monitoring.panels(board) for t in p["targets"]}
    assert used <= {f"${{{name}}}" for name in variables}


def test_links_lead_to_the_other_dashboards() -> None:
    """From each to all the others, under their titles."""
    boards = {f"/d/{board['uid']}": board for board in map(monitoring.dashboard, BOARDS)}
    for here, board in boards.items():
        inside = {link["url"]: link["title"] for link in board["links"] if link["url"].startswith("/d/")}
        assert inside == {url: other["title"] for url, other in boards.items() if url != here}


def test_grafana_finds_all() -> None:
    provider = monitoring.read("grafana/provisioning/dashboards/dashboards.yaml")["providers"][0]
    mounts = dict(v.split(":")[:2] for v in monitoring.service("grafana")["volumes"])
    assert mounts["./dashboards"] == provider["options"]["path"]
    assert mounts["./grafana/provisioning"] == "/etc/grafana/provisioning"
    home = Path(monitoring.service("grafana")["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home.parent == Path(provider["options"]["path"])
    assert {p.name for p in BOARDS} == {
        "bot-performance.json", "payment-conversions.json", "retention.json", "system-overview.json",
    }  # fmt: skip
    assert (monitoring.STACK / "dashboards" / home.name).exists()
