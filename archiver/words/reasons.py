"""The words of reasons, waits, skips, failures and refusals."""

from collections.abc import Mapping

from archiver.words.message import Message

REASONS: Mapping[str, Message] = {
    # ── Why something stays ──
    "reason.no_key": Message("kein Schlüssel unterscheidet die Zeilen", "nothing tells one row from another (no key)"),
    "reason.not_archived": Message("nicht archiviert", "not archived"),
    "reason.not_verified": Message("seit der Archivierung nicht zurückgelesen", "not verified since it was archived"),
    "reason.late": Message("nicht archiviert: nachträglich eingegangen", "not archived: came late"),
    "reason.differs": Message(
        "weicht vom Archiv ab: seit der Archivierung geändert", "differs from what is archived: changed since"
    ),
    "reason.differs_or_less_held": Message(
        "weicht vom Archiv ab: seit der Archivierung geändert, oder archiviert unter Regeln, die weniger festhielten"
        " von {columns}",
        "differs from what is archived: changed since, or archived under column policies that held less of {columns}",
    ),
    "reason.duplicate": Message("mehrere Zeilen haben den Schlüssel", "more than one row has the key"),
    "reason.since_purge": Message("seit der Löschung eingegangen oder geändert", "came or changed since the purge"),
    "reason.since_purged": Message("seit der Löschung in der Quelle eingegangen", "came since they were purged"),
    "reason.since_expired": Message("seit der Löschung im Archiv eingegangen", "came since they were expired"),
    "reason.side_effects": Message(
        "das Löschen würde mehr ändern als die verglichenen Zeilen",
        "deleting it would change more than the rows that were compared",
    ),
    "reason.drift": Message(
        "die Spalten haben sich geändert, und niemand hat dem zugestimmt",
        "its columns changed, and nobody has agreed to that",
    ),
    "reason.meanwhile": Message("inzwischen von einem anderen Lauf geändert", "changed by another run meanwhile"),
    "reason.purge_open": Message(
        "eine Löschung in der Quelle ist noch nicht abgerechnet", "a purge of its source is not accounted for yet"
    ),
    "reason.in_source": Message("Zeilen davon sind noch in der Quelle", "rows of it are still in the source"),
    "reason.hold": Message("Löschung ausgesetzt ({references})", "on hold ({references})"),
    "reason.subject_hold": Message("Löschung für eine Person ausgesetzt", "on hold for a person"),
    "reason.person_unnamed": Message(
        "Löschung für eine Person ausgesetzt, und keine Spalte nennt Personen",
        "a hold on a person covers it, and nothing says where persons are named",
    ),
    "reason.guard": Message("nicht gelöscht: eine Schutzprüfung hat abgelehnt", "not deleted: a guard refused"),
    "reason.failed": Message("nicht gelöscht: der Schritt ist fehlgeschlagen", "not deleted: the step failed"),
    "reason.step_skipped": Message("nicht gelöscht: {why}", "not deleted: {why}"),
    "reason.stopped": Message("der Lauf wurde angehalten", "the run was asked to stop"),
    "reason.stopped_by": Message("abgebrochen ({error})", "stopped ({error})"),
    "reason.window_open": Message("das Zeitfenster ist noch offen", "its window is still open"),
    "reason.expired": Message(
        "aus dem Archiv bereits endgültig gelöscht, noch in der Quelle", "expired from the archive, still in the source"
    ),
    "reason.unchanged": Message("seit dem letzten Vergleich unverändert", "unchanged since it was last compared"),
    "reason.late_possible": Message("Zeilen können noch nachträglich eingehen", "late rows may still come to it"),
    "reason.own_periods": Message("jeder Teil hat eine eigene Frist", "each of its parts has a period of its own"),
    "reason.expiry_due": Message("die Löschung im Archiv ist fällig", "it is due to leave the archive"),
    "reason.few_parts": Message(
        "zu wenige der kleinen Teile sind geprüft, haben dieselben Spalten und folgen aufeinander",
        "too few of its small parts are verified, have the same columns, and follow one another",
    ),
    "reason.lines_missing": Message(
        "das Archiv enthält nicht alle Zeilen davon", "the archive does not hold all of its lines"
    ),
    "reason.chunk_gone": Message("inzwischen nicht mehr da", "gone meanwhile"),
    "reason.chunk_unsound": Message("inzwischen beschädigt", "its bytes are not sound any more"),
    "reason.parts_changed": Message(
        "ein anderer Lauf hat die Teile des Archivs inzwischen geändert",
        "another run changed the archive's parts meanwhile",
    ),
    "reason.not_deleted": Message("konnte nicht gelöscht werden", "could not be deleted"),
    # ── Chunks ──
    "wait.due": Message("an der Reihe", "due"),
    "wait.written": Message("wird noch geschrieben", "still being written"),
    "wait.deletion": Message("ein Löschverlangen an Loki steht aus", "deletion request pending"),
    "wait.not_asked": Message("außerhalb der verlangten Grenzen", "outside of the bounds asked for"),
    "wait.too_large": Message("größer als chunk_size_bytes_max", "larger than chunk_size_bytes_max"),
    "standing.compactor": Message("archiviert; der Compactor ist an der Reihe", "archived; the compactor's turn"),
    "standing.left": Message(
        "archiviert, und der Compactor hätte löschen müssen", "archived, and the compactor should have deleted it"
    ),
    "standing.going": Message(
        "archiviert; wird gelöscht, sobald jede Zeile nachgewiesen ist",
        "archived; goes when each of its lines is proven",
    ),
    "standing.unarchived": Message("nicht archiviert", "not archived"),
    "standing.quarantined": Message(
        "beschädigt: die Bytes sind in Quarantäne, die Zeilen nicht archiviert",
        "not sound: its bytes are in quarantine, its lines are not archived",
    ),
    "standing.hold": Message("Löschung ausgesetzt", "on hold"),
    "chunk.contradiction": Message(
        "{chunk}: die Bytes widersprechen sich ab Byte {at_byte} von {size_bytes}",
        "{chunk}: its bytes contradict one another at byte {at_byte} of {size_bytes}",
    ),
    "chunk.metadata_too_large": Message(
        "{chunk}: die Metadaten nähmen ausgeschrieben {metadata_bytes} ein, mehr als die zulässigen"
        " {metadata_max_bytes}",
        "{chunk}: its metadata, written out for each entry, take {metadata_bytes}, more than the {metadata_max_bytes}"
        " that a chunk may take",
    ),
    # ── Steps of a night ──
    "skip.stopped": Message("der Lauf wurde angehalten", "the run was asked to stop"),
    "skip.no_dataset": Message(
        "kein Datenbestand ist eingeschaltet und kein Loki-Speicher genannt",
        "no dataset is enabled and no Loki store is set",
    ),
    "skip.no_source_period": Message(
        "kein Datenbestand hat eine Frist in seiner Quelle", "no dataset has a retention in its source"
    ),
    "skip.no_archive_period": Message(
        "kein Datenbestand hat eine Frist im Archiv", "no dataset has a retention in the archive"
    ),
    "skip.not_executed": Message("ohne --execute wird nichts gelöscht", "nothing is deleted without --execute"),
    "skip.nothing_named": Message("keine Einstellung nennt etwas zu Prüfendes", "no setting names anything to look at"),
    "skip.no_report": Message("nightly.report ist ausgeschaltet", "nightly.report is false"),
    "skip.needs": Message("braucht „{step}“, und das wurde nicht erledigt", "needs {step}, which was not done"),
    "failure.status": Message("nicht vollständig (Status {exit_status})", "ended with exit status {exit_status}"),
    "failure.unexpected": Message("unerwarteter Fehler {error}", "unexpected {error}"),
    "failure.settings": Message("die Einstellungen lassen sich nicht einhalten", "the settings cannot be honoured"),
    "failure.access": Message("Zugangsdaten oder Berechtigungen fehlen", "credentials, a grant or a right is missing"),
    "failure.partial": Message("etwas wurde ausgelassen", "something was left out"),
    "failure.schema_drift": Message(
        "Spalten der Quelle sind entfallen oder haben einen anderen Typ", "columns of a source were lost or retyped"
    ),
    "failure.chunk_unsound": Message("ein Loki-Chunk ist beschädigt", "a Loki chunk is not sound"),
    "failure.conflict": Message("ein anderer Lauf war aktiv", "another run was at work"),
    "failure.refused": Message("eine Schutzprüfung hat eine Löschung abgelehnt", "a guard refused a deletion"),
    "failure.transient": Message(
        "ein Dienst war nicht erreichbar; ein späterer Versuch kann gelingen",
        "a service was away; asking again later may help",
    ),
    "failure.outcome_unknown": Message(
        "auf einen Schreibvorgang kam keine Antwort", "a write was sent and no answer came"
    ),
    "failure.interrupted": Message("der Lauf wurde angehalten", "the run was asked to stop"),
    "failure.object_exists": Message("unter einem Schlüssel liegen andere Bytes", "a key holds other bytes"),
    "failure.object_missing": Message("unter einem Schlüssel liegt nichts", "nothing stands under a key"),
    "failure.local": Message(
        "Platz oder Speicher dieses Rechners reichte nicht", "this machine's disk or memory gave out"
    ),
    "failure.integrity": Message("das Archiv widerspricht seiner Protokollkette", "the archive contradicts its ledger"),
    "failure.segment_missing": Message("ein Objekt des Archivs fehlt", "an object of the archive is missing"),
    "failure.segment_altered": Message(
        "ein Objekt des Archivs wurde verändert", "an object of the archive was altered"
    ),
    "failure.ledger_broken": Message("die Protokollkette ist beschädigt", "the ledger is broken"),
    # ── The guard ──
    "guard.database_clock": Message(
        "die eigene Uhr sagt {local_clock}, die der Datenbank {database_clock}",
        "the local clock says {local_clock}, the database's {database_clock}",
    ),
    "guard.store_clock": Message(
        "die eigene Uhr sagt {local_clock}, die des Speichers {store_clock}",
        "the local clock says {local_clock}, the store's {store_clock}",
    ),
    "guard.anchor_clock": Message(
        "die eigene Uhr sagt {local_clock}, die des Prüfankers {anchor_clock}",
        "the local clock says {local_clock}, the anchor's {anchor_clock}",
    ),
    "guard.jumped": Message(
        "die eigene Uhr sagt {local_clock}, der letzte Eintrag ist aber vom {entry_clock}: eine der beiden Uhren ist"
        " gesprungen",
        "the local clock says {local_clock}, but the last entry was written {entry_clock}: one of them jumped",
    ),
    "guard.pause": Message(
        "{days|Tag lag|Tage lagen} zwischen zwei Einträgen, höchstens {days_max} dürfen es sein: entweder lief nichts,"
        " oder die Uhr ist vorgesprungen",
        "{days|day|days} passed between two entries, at most {days_max} may: either nothing ran, or the clock jumped"
        " forward",
    ),
    "guard.anchor_found_empty": Message(
        "der Prüfanker war leer oder zurückgesetzt, also belegt nichts, dass die Protokollkette vollständig war",
        "the anchor was found empty or set back, so nothing says that the ledger was whole",
    ),
    "guard.share": Message(
        "{dataset}: {percent} % der Zeilen würden auf einmal gelöscht, höchstens {percent_max} % dürfen es sein",
        "{dataset}: {percent}% of its rows would go at once, at most {percent_max}% may",
    ),
    "guard.share_of_chunks": Message(
        "{dataset}: {percent} % der Chunks würden auf einmal gelöscht, höchstens {percent_max} % dürfen es sein",
        "{dataset}: {percent}% of its chunks would go at once, at most {percent_max}% may",
    ),
    # ── Copies ──
    "copy.daily_backups": Message("Supabase: tägliche Sicherungen ({plan})", "Supabase daily backups ({plan})"),
    "copy.recovery": Message("Supabase: Wiederherstellung auf einen Zeitpunkt", "Supabase point-in-time recovery"),
    "copy.lock": Message("Archivspeicher (Object Lock)", "the archive's store (Object Lock)"),
    "copy.named": Message("{name}", "{name}"),
}
