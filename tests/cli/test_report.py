"""``archiver report`` as a process of its own, on an archive of rows full of personal data, after a whole night's work."""

import json
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest

from archiver.reports.data import schema
from tests.support.debian import binary
from tests.support.postgres import Database
from tests.support.program import Program, fill, new_program

PLANTED = (
    "+49 30 901820", "0049309018200", "+491703", "+491709", "Jürgen Groß", "198.51.100.",
    "erika.mustermann@example.org", "Heidestraße 17", "2001:db8::7334", "DE89370400440532013000",
)  # fmt: skip
"""Telephone numbers, names, addresses of three kinds: in rows, keys of rows and documents of rows."""

PERSONAL = (
    r"(?<![\d.:T+-])\+?49[ \d]{8,}",
    r"\b\d{1,3}(?:\.\d{1,3}){3}\b(?<!127\.0\.0\.1)",
    r"[\w.+-]+@[\w-]+\.[\w.]+",
)
"""Whatever looks like a telephone number, an address in a network or a mailbox."""

FILES = (".de.html", ".de.pdf", ".en.html", ".en.pdf", ".json", ".csv")


@pytest.fixture
def program(database: Database, tmp_path: Path) -> Program:
    """An archive that exported, verified, purged and expired."""
    fill(database, audit=5, events=5, days=40)
    database.execute(
        "UPDATE app_audit_log SET actor = 'Jürgen Groß, Heidestraße 17', details = jsonb_build_object("
        "'mail', 'erika.mustermann@example.org', 'phone', '+49 30 901820', 'ip', '2001:db8::7334',"
        " 'iban', 'DE89370400440532013000')",
        "UPDATE log_workflow_events SET payload = jsonb_build_object('to', '0049309018200', 'von', phone)",
    )
    made = new_program(tmp_path, SUPABASE_DB_URL=database.dsn).init("--archive-retention", "35d")
    with (made.work / "archiver.toml").open("a") as file:
        file.write('\n[report]\ncontroller = "Beispiel GmbH"\nrecord = "VVT-7"\nresiduals = { Sicherung = "7d" }\n')
    for step in (["export"], ["verify"], ["purge", "--execute"], ["expire", "--execute"]):
        made.run(*step).succeeded()
    return made


def test_a_report_on_everything_holds_no_personal_data_and_touches_nothing(program: Program, tmp_path: Path) -> None:
    before = program.tree()
    # Neither the database nor the private key is there: the ledger alone is asked.
    reader = program.having(SUPABASE_DB_URL=None, ARCHIVER_SIGNING_KEY_FILE=str(tmp_path / "none.pem"))
    told = reader.run("report", "--since", "50d", "--lang", "de,en", "--output", "reports", "--json").succeeded()
    document = json.loads(told.out)
    jsonschema.validate(document, schema())
    (audit, events) = document["facts"]["datasets"]
    assert audit["rows_relocated"] == events["rows_relocated"] > 0
    assert audit["rows_deleted"] == 25
    files = {path.name: path for path in (program.work / "reports").iterdir()}
    assert sorted(files) == sorted(f"archiver-report-{_label(document)}{ending}" for ending in FILES)
    again = reader.run("report", "--since", "50d", "--output", "reports", "--lang", "de").succeeded()
    assert again.out == ""
    written = {name: path.read_bytes() for name, path in files.items()}
    texts = {name: path.read_bytes().decode(errors="replace") for name, path in files.items()}
    for name, path in files.items():
        if name.endswith(".pdf"):
            done = subprocess.run([binary("pdftotext"), "-layout", path, "-"], capture_output=True, check=True)
            texts[name] = done.stdout.decode()
            assert document["facts"]["chain"]["public_key"][:20] in texts[name].replace("\n", "").replace("\u200b", "")
    texts["terminal"] = reader.run("report", "--since", "50d").succeeded().out
    for name, text in texts.items():
        assert "app_audit_log" in text
        assert [one for one in PLANTED if one in text] == [], name
        assert [found for pattern in PERSONAL for found in re.findall(pattern, _without_digests(text))] == [], name
    assert texts["terminal"].startswith("Löschbericht ")
    placed = reader.having(ARCHIVER_REPORT__DIRECTORY=str(program.work / "reports"))
    placed.run("report", "--since", "50d", "--format", "csv").succeeded()
    assert {path.name: path.read_bytes() for path in files.values()} == written
    english = reader.run("report", "--lang", "en", "--day", "today").succeeded().out
    assert english.splitlines()[0].startswith("Deletion report ")
    assert "The period is not over" in english
    future = reader.run("report", "--month", "9998-01")
    assert (future.status, "the period has not begun" in future.err) == (2, True)
    last_month = json.loads(reader.run("report", "--json").succeeded().out)["facts"]["period"]
    assert (last_month["kind"], last_month["is_open"]) == ("month", False)
    after = program.tree()
    _alter(program.store / "ledger" / "0000000001.json")
    _alter(*(program.directory / "cache").rglob("ledger.ndjson"))
    broken = reader.run("report", "--since", "50d", "--output", "others")
    assert (broken.status, (program.work / "others").exists()) == (4, False)
    assert {name: data for name, data in after.items() if not name.startswith("work/reports/")} == before


def _alter(*paths: Path) -> None:
    for path in paths:
        data = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(data.replace(b"app_audit_log", b"app_audit_lag", 1))


def _label(document: object) -> str:
    assert isinstance(document, dict)
    return str(document["number"]).split("-", 1)[1].rsplit("-", 1)[0]


def _without_digests(text: str) -> str:
    """Digits inside of hexadecimal digests are no telephone numbers."""
    return re.sub(r"[0-9a-f]{16,}", "", text)


def test_the_record_of_processing_needs_no_archive(tmp_path: Path) -> None:
    program = new_program(tmp_path)
    (program.work / "archiver.toml").write_text('[report]\ncontroller = "Beispiel GmbH"\n')
    told = program.run("report", "--vvt").succeeded().out
    assert "Verantwortlicher: Beispiel GmbH" in told
    assert "Übermittlung in Drittländer: nicht konfiguriert" in told
    program.run("report", "--vvt", "--output", "vvt", "--lang", "de,en").succeeded()
    names = sorted(path.name for path in (program.work / "vvt").iterdir())
    assert names == [f"archiver-vvt.{end}" for end in ("de.html", "de.pdf", "en.html", "en.pdf", "json")]
    document = json.loads((program.work / "vvt" / "archiver-vvt.json").read_text())
    assert document["rules"]["controller"] == "Beispiel GmbH"
    assert "app_audit_log.purpose" in document["missing"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--day", "today", "--month", "2026-11"], "more than one was given"),
        (["--month", "November"], "--month 'November' is no month"),
        (["--until", "today"], "--until was given without --since"),
        (["--lang", "fr"], "fr is none of de, en"),
        (["--format", "docx"], "docx is none of html, pdf, json, csv"),
        (["--vvt", "--day", "today"], "takes no period"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: list[str], message: str, tmp_path: Path) -> None:
    program = new_program(tmp_path)
    done = program.run("report", *arguments)
    assert done.status == 2, done
    assert message in " ".join(done.err.split())
    assert not (program.work / "reports").exists()
