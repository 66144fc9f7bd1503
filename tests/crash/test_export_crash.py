"""The worker dies, or a reply is lost, at every single write of a run: the next run loses nothing and doubles nothing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from archiver.errors import ArchiverError, ConfigError
from archiver.operations.tables.export import ExportOptions
from tests.support.archive import Archive, day
from tests.support.faulty import FAULTS, Crash, Faults, FaultyAnchor, FaultyStore
from tests.support.memory_source import MemorySource, MemoryTable

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def filled() -> MemoryTable:
    """Three days, one row without a time, one in the future."""
    table = MemoryTable()
    for number in range(30):
        table.insert(
            id=f"id{number:04d}", created_at=day(number % 3) + timedelta(minutes=number), message="m", score=number / 3
        )
    table.insert(id="undated", created_at=None, message="undated", score=None)
    table.insert(id="future", created_at=datetime(2030, 1, 1, tzinfo=UTC), message="future", score=None)
    return table


def second_night(table: MemoryTable) -> None:
    """A late row and a changed one, as the second run finds them."""
    table.insert(id="late", created_at=day(1) + timedelta(hours=3), message="late", score=1.0)


def fresh(*, conditional: bool, commit_each_window: bool) -> tuple[Archive, Faults, MemoryTable]:
    faults = Faults()
    table = filled()
    archive = Archive(
        FaultyStore(faults, conditional=conditional),
        FaultyAnchor(faults),
        MemorySource(NOW, {"logs": table}),
        options=ExportOptions.model_construct(commit_interval_s=-1.0 if commit_each_window else 60.0),
    )
    return archive, faults, table


def nights(archive: Archive, table: MemoryTable) -> None:
    """Everything that is tried with faults: begin, export, a late row, export again."""
    archive.init()
    archive.export()
    if not any(values["id"] == "late" for values in table.values()):
        second_night(table)
    archive.export()


def count_writes(*, conditional: bool, commit_each_window: bool) -> int:
    archive, faults, table = fresh(conditional=conditional, commit_each_window=commit_each_window)
    nights(archive, table)
    return len(faults.writes)


Inject = Callable[[Faults, int], None]


@pytest.mark.parametrize("commit_each_window", [False, True], ids=["one commit", "a commit a window"])
@pytest.mark.parametrize("conditional", [True, False], ids=["store orders", "anchor orders"])
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_1_2_8_every_write_fails_in_every_way(fault: str, conditional: bool, commit_each_window: bool) -> None:
    """Whichever write fails, and however: the next run completes the archive, each row in it exactly once."""
    total = count_writes(conditional=conditional, commit_each_window=commit_each_window)
    assert total > 10
    for nth in range(1, total + 1):
        archive, faults, table = fresh(conditional=conditional, commit_each_window=commit_each_window)
        FAULTS[fault](faults, nth)
        try:
            nights(archive, table)
        except (Crash, ArchiverError) as exc:
            assert not isinstance(exc, ConfigError), nth  # noqa: PT017 - any other error is as good as a crash here
        faults.heal()
        nights(archive, table)
        archive.check(table.values())
        again = archive.export()
        assert (again.commits, again.rows) == (0, 0), f"write {nth}: a further run found something to do"


@pytest.mark.parametrize("nth", range(1, 6))
@pytest.mark.parametrize("after_batches", [0, 1])
def test_fault_16_the_source_goes_away_in_the_middle_of_a_scan(nth: int, after_batches: int) -> None:
    """The part is discarded, the window is read again in smaller slices, and the archive is the same."""
    archive, _, table = fresh(conditional=True, commit_each_window=False)
    archive.init()
    assert isinstance(archive.source, MemorySource)
    archive.source.break_scan(nth=nth, after_batches=after_batches)
    receipt = archive.export()
    assert receipt.rows == len(table.values())
    archive.check(table.values())


def test_fault_13_two_runs_at_once_archive_every_row_once() -> None:
    """The second run commits while the first one works: the first finds its windows taken and adds nothing."""
    archive, _, table = fresh(conditional=True, commit_each_window=False)
    archive.init()
    other = Archive(archive.store, archive.anchor, MemorySource(NOW, {"logs": table}))
    done: list[int] = []

    class Rival(MemorySource):
        def scan_started(self) -> int | None:
            if not done:
                done.append(other.export().rows)
            return super().scan_started()

    archive.source = Rival(NOW, {"logs": table})
    receipt = archive.export()
    assert done == [32]
    assert receipt.rows == 0
    archive.check(table.values())


def test_fault_13_runs_on_different_windows_both_commit() -> None:
    """A lost race costs nothing where the two did not touch the same windows."""
    archive, _, table = fresh(conditional=True, commit_each_window=False)
    archive.init()
    other = Archive(archive.store, archive.anchor, MemorySource(NOW, {"logs": table}))
    done: list[int] = []

    class Rival(MemorySource):
        def scan_started(self) -> int | None:
            if not done:
                done.append(other.export(since=day(2), until=day(3)).rows)
            return super().scan_started()

    archive.source = Rival(NOW, {"logs": table})
    receipt = archive.export(until=day(2))
    assert done == [10]
    assert receipt.rows == 20
    archive.export()
    archive.check(table.values())


def test_fault_12_a_transaction_that_commits_late_loses_nothing() -> None:
    """Rows that become visible after their window was exported arrive as a further part."""
    archive, _, table = fresh(conditional=True, commit_each_window=False)
    assert isinstance(archive.source, MemorySource)
    archive.source.settle = timedelta(days=40)
    archive.init()
    assert archive.export().slots_unsettled_total > 0
    second_night(table)
    receipt = archive.export()
    assert (receipt.rows, receipt.datasets["logs"].slots_late) == (1, 1)
    archive.check(table.values())


def test_fault_11_a_changed_row_is_exported_again() -> None:
    """Both versions are held; the entry says that one row was changed, and that its older version left the source."""
    archive, _, table = fresh(conditional=True, commit_each_window=False)
    archive.init()
    archive.export()
    before = table.values()
    table.update(5, message="changed")
    receipt = archive.export().datasets["logs"]
    assert (receipt.rows, receipt.rows_changed, receipt.rows_missing) == (1, 1, 1)
    archive.check([*before, table.rows[5][1]])


def test_a_row_replaced_by_another_leaves_the_count_alone_and_is_still_found() -> None:
    """Counting alone would not see that one row left and another came."""
    archive, _, table = fresh(conditional=True, commit_each_window=False)
    archive.init()
    archive.export()
    before = table.values()
    table.delete(5)
    table.insert(id="new", created_at=day(1) + timedelta(hours=1), message="new", score=None)
    receipt = archive.export().datasets["logs"]
    assert (receipt.rows, receipt.rows_changed, receipt.rows_missing) == (1, 0, 1)
    archive.check([*before, table.values()[-1]])
