"""The texts of the first screen: the verdict, what needs a person, what changed."""

from collections.abc import Mapping

from archiver.words import Message

FINDINGS: Mapping[str, Message] = {
    # ── The first screen ──
    "title.report": Message("Löschbericht", "Deletion report"),
    "title.period": Message("Zeitraum {period}", "Period {period}"),
    "none": Message("–", "–"),
    "unlimited": Message("unbefristet", "unlimited"),
    "archive": Message("Archiv insgesamt", "the archive as a whole"),
    "gap.not_configured": Message("nicht konfiguriert", "not configured"),
    "gap.not_recorded": Message("nicht aufgezeichnet", "not recorded"),
    "verdict.kept": Message("Eingehalten", "Kept"),
    "verdict.attention": Message("Zu klären", "Needs attention"),
    "verdict.broken": Message("Nicht eingehalten", "Broken"),
    "verdict.kept.text": Message(
        "Alle Fristen wurden eingehalten. Das wurde geprüft, und für niemanden bleibt etwas zu tun.",
        "Every period was kept. This was checked, and nothing is left for a person to do.",
    ),
    "verdict.attention.text": Message(
        "Es wurde kein Verstoß gefunden. {points|Punkt ist|Punkte sind} noch von jemandem zu klären; solange gilt der Zeitraum"
        " nicht als vollständig nachgewiesen.",
        "No breach was found. {points|point needs|points need} a person; until then the period does not count as"
        " fully proven.",
    ),
    "verdict.broken.text": Message(
        "Zugesagte Löschfristen wurden nicht eingehalten: {points|Verstoß. Er steht|Verstöße. Sie stehen} unten an erster"
        " Stelle, mit dem nächsten Schritt.",
        "A promise was not kept: {points|breach|breaches}. They stand first below, each with the next step.",
    ),
    "level.kept": Message("Hinweis", "Note"),
    "level.attention": Message("Zu klären", "Needs attention"),
    "level.broken": Message("Nicht eingehalten", "Broken"),
    "figure.rows_archived": Message("Zeilen archiviert", "rows archived"),
    "figure.rows_relocated": Message("Zeilen verlagert (Quelle → Archiv)", "rows moved (source → archive)"),
    "figure.rows_deleted": Message("Zeilen gelöscht (Archiv)", "rows deleted (archive)"),
    "figure.rows_overdue": Message("Zeilen überfällig, soweit bekannt", "rows overdue, as far as known"),
    "figure.nights_missed": Message("Nächte ausgefallen", "nights missed"),
    "figure.before": Message("davor {before}", "before {before}"),
    "verdict.before": Message("Im Zeitraum davor: {verdict}", "In the period before: {verdict}"),
    "section.person": Message("Handlungsbedarf", "What is to be done"),
    "section.person.none": Message("Keiner.", "Nothing."),
    "section.changes": Message(
        "Änderungen gegenüber dem vorherigen Berichtszeitraum", "What changed since the period before"
    ),
    "section.changes.compared": Message("Verglichen mit {period}.", "Compared with {period}."),
    "section.changes.first": Message(
        "Einen Zeitraum davor gibt es nicht: das Archiv begann in diesem.",
        "There is no period before: the archive began in this one.",
    ),
    "section.changes.none": Message(
        "An Regeln, Aussetzungen, Spalten und Befunden nichts.", "Nothing in rules, holds, columns and findings."
    ),
    "column.measure": Message("Kennzahl", "Measure"),
    "column.before": Message("davor", "before"),
    "column.now": Message("jetzt", "now"),
    "measure.rows_archived": Message("Zeilen ins Archiv übernommen", "Rows added to the archive"),
    "measure.rows_relocated": Message(
        "Zeilen aus der Quelle entfernt (Verlagerung)", "Rows removed from their source (moved)"
    ),
    "measure.rows_deleted": Message("Zeilen endgültig gelöscht (Löschung)", "Rows deleted for good (deleted)"),
    "measure.files_deleted": Message("Loki-Chunk-Dateien entfernt (Verlagerung)", "Loki chunk files removed (moved)"),
    "measure.rows_overdue": Message("Überfällige Zeilen, soweit bekannt", "Overdue rows, as far as known"),
    "measure.rows_held": Message("Zeilen im Archiv am Ende", "Rows in the archive at the end"),
    "measure.runs": Message("Läufe", "Runs"),
    "measure.runs_failed": Message("Läufe mit Fehlern", "Runs with failures"),
    "measure.nights_missed": Message("Ausgefallene Nächte", "Missed nights"),
    "measure.findings_breach": Message("Verstöße im Monitoring", "Breaches in the monitoring stack"),
    "measure.findings_unknown": Message(
        "Nicht prüfbare Punkte im Monitoring", "Could not be told of the monitoring stack"
    ),
    "measure.holds": Message("Aussetzungen in Kraft", "Holds in force"),
    "measure.ledger_entries": Message("Einträge in der Protokollkette", "Ledger entries"),
    # ── What needs a person ──
    "remark.no_archive": Message(
        "Das Archiv gab es am Ende des Zeitraums noch nicht.", "The archive did not exist yet at the end of the period."
    ),
    "action.no_archive": Message("Einen späteren Zeitraum wählen.", "Choose a later period."),
    "remark.anchor_adopted": Message(
        "Der externe Prüfanker war leer oder zurückgesetzt und wurde am {at} auf den Stand der Protokollkette gesetzt: Einträge davor sind durch ihn nicht belegt.",
        "The anchor was empty or set back, and was moved to the ledger's head at {at}: it does not vouch for the entries before.",
    ),
    "action.anchor_adopted": Message(
        "Klären, warum der Prüfanker leer war oder zurückgesetzt wurde; die Protokollkette mit einer Kopie vergleichen.",
        "Find out why the anchor was empty or set back; compare the ledger with a copy.",
    ),
    "remark.period_open": Message(
        "Der Zeitraum ist noch nicht vorbei; der Bericht reicht bis {until}.",
        "The period is not over; the report reaches until {until}.",
    ),
    "action.period_open": Message("Nach seinem Ende neu erstellen.", "Make it again after its end."),
    "remark.rules_not_recorded": Message(
        "Die Regeln stehen nicht in der Protokollkette; gezeigt ist die Konfiguration zur Zeit der Erstellung.",
        "The ledger states no rules; what is shown is the configuration when the report was made.",
    ),
    "action.rules_not_recorded": Message(
        "`archiver run nightly` hält sie in der Protokollkette fest.",
        "`archiver run nightly` states them in the ledger.",
    ),
    "remark.responsible_missing": Message(
        "{fields|Angabe fehlt|Angaben fehlen} zu Verantwortlichem, Auftragsverarbeiter, Datenschutzbeauftragtem,"
        " Verzeichnisnummer oder Restkopien.",
        "{fields|statement is|statements are} missing on controller, processor, data protection officer, record number"
        " or residual copies.",
    ),
    "action.responsible_missing": Message(
        "Abschnitt [report] der Konfiguration ausfüllen.", "Fill in [report] of the configuration."
    ),
    "remark.overdue_source": Message(
        "{rows|Zeile war|Zeilen waren} am {at} länger in der Quelle als zugesagt, die älteste vom {oldest}.",
        "{rows|row was|rows were} in the source for longer than promised at {at}, the oldest of {oldest}.",
    ),
    "action.overdue_source": Message(
        "Die Gründe stehen unter „Negativprüfung“; `archiver purge` zeigt, was jetzt zurückhält.",
        "The reasons stand under “Negative check”; `archiver purge` shows what holds them back now.",
    ),
    "remark.overdue_archive": Message(
        "{rows|Zeile war|Zeilen waren} am {at} länger im Archiv als zugesagt, die älteste vom {oldest}.",
        "{rows|row was|rows were} in the archive for longer than promised at {at}, the oldest of {oldest}.",
    ),
    "action.overdue_archive": Message(
        "Die Gründe stehen unter „Negativprüfung“; `archiver expire` zeigt, was jetzt zurückhält.",
        "The reasons stand under “Negative check”; `archiver expire` shows what holds them back now.",
    ),
    "remark.overdue_known": Message(
        "{rows|Zeile müsste|Zeilen müssten} die Quelle nach Kenntnis des Archivs schon verlassen haben.",
        "By what the archive knows, {rows|row|rows} should have left the source already.",
    ),
    "action.overdue_known": Message(
        "`archiver purge` ausführen und die Gründe ansehen.", "Run `archiver purge` and look at its reasons."
    ),
    "remark.overdue_on_hold": Message(
        "{rows|überfällige Zeile bleibt|überfällige Zeilen bleiben}, weil die Löschung ausgesetzt ist.",
        "{rows|overdue row stays|overdue rows stay} because of a hold.",
    ),
    "action.overdue_on_hold": Message("Siehe „Aussetzung der Löschung“.", "See “Holds”."),
    "remark.not_observed_source": Message(
        "Eine Negativprüfung der Quelle ist nicht aufgezeichnet.", "No negative check of the source is recorded."
    ),
    "action.not_observed_source": Message(
        "`archiver run nightly` prüft am Ende jedes Laufs.", "`archiver run nightly` checks at the end of each run."
    ),
    "remark.not_observed_archive": Message(
        "Eine Negativprüfung des Archivs ist nicht aufgezeichnet.", "No negative check of the archive is recorded."
    ),
    "action.not_observed_archive": Message(
        "`archiver run nightly` prüft am Ende jedes Laufs.", "`archiver run nightly` checks at the end of each run."
    ),
    "remark.not_verified": Message(
        "{objects|Archivobjekt wurde|Archivobjekte wurden} in diesem Zeitraum nicht zurückgelesen und verglichen.",
        "{objects|archive object was|archive objects were} not read back and compared in this period.",
    ),
    "action.not_verified": Message("`archiver verify --deep` ausführen.", "Run `archiver verify --deep`."),
    "remark.purge_open": Message(
        "Für {rows|angekündigte Löschung einer Zeile|angekündigte Zeilen-Löschungen} in der Quelle fehlt das Ergebnis.",
        "The outcome of {rows|announced deletion of a row|announced deletions of rows} in the source is not known.",
    ),
    "action.purge_open": Message(
        "Der nächste `archiver purge --execute` vergleicht und trägt nach.",
        "The next `archiver purge --execute` compares and completes the record.",
    ),
    "remark.expiry_open": Message(
        "Für {objects|Archivobjekt|Archivobjekte} ist die Löschung angekündigt, aber nicht bestätigt.",
        "The deletion of {objects|archive object|archive objects} was announced and is not confirmed.",
    ),
    "action.expiry_open": Message(
        "Der nächste `archiver expire --execute` vollendet sie.", "The next `archiver expire --execute` completes it."
    ),
    "remark.parts_open": Message(
        "{objects|Objekt ist durch ein umgeschriebenes ersetzt, aber|Objekte sind durch umgeschriebene ersetzt, aber} noch nicht als entfernt bestätigt.",
        "{objects|object was replaced by a rewritten one and is|objects were replaced by rewritten ones and are} not confirmed as removed.",
    ),
    "action.parts_open": Message(
        "Der nächste `archiver compact` entfernt, was noch da ist, sobald der Speicher es zulässt.",
        "The next `archiver compact` removes what is still there, once the store lets it.",
    ),
    "remark.kept_until": Message(
        "Von {objects|gelöschten Objekt|gelöschten Objekten} bleibt etwas bis {until}, weil der Speicher es sperrt (Object Lock).",
        "Something of {objects|deleted object|deleted objects} remains until {until}, because the store locks it (Object Lock).",
    ),
    "action.kept_until": Message(
        "Danach löscht es der nächste `archiver expire --execute`; die Sperrfrist mit der Löschfrist abstimmen.",
        "The next `archiver expire --execute` after that deletes it; bring the lock's period in line with the retention.",
    ),
    "remark.kept_without_end": Message(
        "Von {objects|gelöschten Objekt|gelöschten Objekten} bleibt etwas ohne bekanntes Ende, weil der Speicher es sperrt (Legal Hold).",
        "Something of {objects|deleted object|deleted objects} remains without a known end, because the store locks it (legal hold).",
    ),
    "action.kept_without_end": Message(
        "Die Sperre im Speicher aufheben; der nächste `archiver expire --execute` löscht es dann.",
        "Lift the lock in the store; the next `archiver expire --execute` then deletes it.",
    ),
    "remark.went_along": Message(
        "Mit den verlagerten Zeilen wurden Zeilen anderer Tabellen gelöscht ({deleted}), geändert ({updated}) und"
        " geschrieben ({inserted}), die nicht archiviert sind; purge_may_change erlaubt es: {relations}.",
        "Along with moved rows, rows of other tables were deleted ({deleted}), changed ({updated}) and written"
        " ({inserted}) that are not archived; purge_may_change allows it: {relations}.",
    ),
    "action.went_along": Message(
        "Prüfen, dass nichts davon zu archivieren ist; andernfalls die Tabelle aus purge_may_change entfernen.",
        "See that none of it has to be archived; otherwise take the table out of purge_may_change.",
    ),
    "remark.guard_confirmed": Message(
        "Bei {deletions|Löschung|Löschungen} bestätigte eine Person, was eine Schutzprüfung abgelehnt hatte: {reasons}.",
        "For {deletions|deletion|deletions} a person confirmed what the guard had refused: {reasons}.",
    ),
    "action.guard_confirmed": Message(
        "Prüfen, ob die Bestätigung begründet war.", "See that the confirmation had its reason."
    ),
    "remark.rows_missing": Message(
        "{rows|archivierte Zeile war|archivierte Zeilen waren} in der Quelle nicht mehr da, ohne dass archiver sie gelöscht hat.",
        "{rows|archived row was|archived rows were} gone from the source though archiver had not deleted them.",
    ),
    "action.rows_missing": Message(
        "Klären, durch wen oder was in der Quelle gelöscht wurde.", "Find out who deletes in the source."
    ),
    "remark.rows_undated": Message(
        "{rows|Zeile hat|Zeilen haben} keine brauchbare Zeit: archiviert, aber nie aus der Quelle entfernt.",
        "{rows|row has|rows have} no usable time: archived, never removed from the source.",
    ),
    "action.rows_undated": Message("Die Zeit in der Quelle berichtigen.", "Correct the time in the source."),
    "remark.rows_duplicate_key": Message(
        "{rows|Zeile teilt|Zeilen teilen} ihren Schlüssel mit einer anderen: archiviert, aber nie aus der Quelle entfernt.",
        "{rows|row shares its|rows share their} key with another: archived, never removed from the source.",
    ),
    "action.rows_duplicate_key": Message(
        "Den Schlüssel berichtigen (datasets.<name>.key).", "Correct the key (datasets.<name>.key)."
    ),
    "remark.rows_future": Message(
        "{rows|Zeile hat|Zeilen haben} eine Zeit, die noch nicht gekommen ist.",
        "{rows|row has|rows have} a time that has not come yet.",
    ),
    "action.rows_future": Message("Die Uhr der Anwendung prüfen.", "Check the application's clock."),
    "remark.not_configured": Message(
        "Das Archiv hält {rows|Zeile|Zeilen}, für die es keine Regel mehr gibt.",
        "The archive holds {rows|row|rows} that no rule exists for any more.",
    ),
    "action.not_configured": Message(
        "Den Datenbestand wieder konfigurieren, damit er abläuft.", "Configure the dataset again, so that it expires."
    ),
    "remark.no_archive_period": Message(
        "Für das Archiv ist keine Frist gewählt: {rows|Zeile läuft|Zeilen laufen} nie ab. Verlagerung ist keine Löschung.",
        "No period is chosen for the archive: {rows|row never expires|rows never expire}. Moving is not deleting.",
    ),
    "action.no_archive_period": Message("archive_retention setzen.", "Set archive_retention."),
    "remark.schema_lossy": Message(
        "Seit {at} fehlen Spalten oder haben einen anderen Typ (Schemaversion {version}).",
        "Since {at} columns are gone or have another type (version {version}).",
    ),
    "action.schema_lossy": Message("Prüfen, ob das gewollt war.", "See that it was intended."),
    "remark.chunks_lost": Message(
        "{chunks|Loki-Chunk verschwand|Loki-Chunks verschwanden}, bevor sie archiviert waren (bemerkt {at}, Liste {key}).",
        "{chunks|Loki chunk|Loki chunks} vanished before they were archived (noticed {at}, list {key}).",
    ),
    "action.chunks_lost": Message(
        "Lokis Frist und die Läufe abgleichen: archiver muss vor dem Compactor lesen.",
        "Compare Loki's period with the runs: archiver must read before the compactor deletes.",
    ),
    "remark.files_open": Message(
        "Für {chunks|Loki-Chunk|Loki-Chunks} ist die Löschung angekündigt, aber nicht abgerechnet.",
        "The deletion of {chunks|Loki chunk|Loki chunks} was announced and is not accounted for.",
    ),
    "action.files_open": Message(
        "Der nächste `archiver purge loki --execute` prüft, welche Dateien gelöscht sind, und trägt nach.",
        "The next `archiver purge loki --execute` looks which files are gone and completes the record.",
    ),
    "remark.files_kept": Message(
        "Bei der letzten Löschung von Chunk-Dateien {chunks|blieb angekündigter Chunk|blieben angekündigte Chunks} stehen.",
        "At the last deletion of chunk files {chunks|announced chunk|announced chunks} stayed.",
    ),
    "action.files_kept": Message(
        "Der Grund steht im Löschprotokoll; `archiver purge loki` zeigt, was jetzt noch da ist.",
        "The reason stands in the deletion record; `archiver purge loki` shows what is still there now.",
    ),
    "remark.quarantine": Message(
        "{chunks|Loki-Chunk ist beschädigt und in Quarantäne; seine|Loki-Chunks sind beschädigt und in Quarantäne; ihre} Zeilen sind nicht archiviert.",
        "{chunks|Loki chunk is unsound and in quarantine; its|Loki chunks are unsound and in quarantine; their} lines are not archived.",
    ),
    "action.quarantine": Message(
        "Ansehen und mit `archiver loki release` erledigen.", "Look at them, then `archiver loki release`."
    ),
    "remark.stack_not_checked": Message(
        "Die Fristen des Monitorings wurden in diesem Zeitraum nicht geprüft.",
        "The retention of the monitoring stack was not checked in this period.",
    ),
    "action.stack_not_checked": Message(
        "`archiver run nightly` prüft sie und hält den Befund fest.",
        "`archiver run nightly` checks it and records what it found.",
    ),
    "remark.stack_breach": Message(
        "Verstoß im Monitoring: {check} bei {subject}.", "Broken in the monitoring stack: {check} at {subject}."
    ),
    "action.stack_breach": Message("{fix}", "{fix}"),
    "remark.stack_cannot_tell": Message(
        "Nicht prüfbar im Monitoring: {check} bei {subject}.",
        "Could not be told of the monitoring stack: {check} at {subject}.",
    ),
    "action.stack_cannot_tell": Message("{fix}", "{fix}"),
    "remark.nights_not_recorded": Message("Nächtliche Läufe sind nicht aufgezeichnet.", "No nightly run is recorded."),
    "action.nights_not_recorded": Message("`archiver run nightly` einrichten.", "Set up `archiver run nightly`."),
    "remark.nights_missed": Message(
        "{nights|Nacht ist|Nächte sind} ausgefallen, zwischen {first} und {last}.",
        "{nights|night was|nights were} missed, between {first} and {last}.",
    ),
    "action.nights_missed": Message(
        "Zeitplan und Alarmierung des Laufs prüfen.", "Check the run's timer and its alert."
    ),
    "remark.runs_failed": Message(
        "{runs|Lauf endete|Läufe endeten} mit Fehlern, zuletzt am {last} mit Status {exit_status}.",
        "{runs|run ended|runs ended} with failures, the last one at {last} with status {exit_status}.",
    ),
    "action.runs_failed": Message(
        "Siehe „Läufe“; die Bedeutung des Status steht dort.", "See “Runs”, which has the meaning of the status."
    ),
    "remark.hold_review": Message(
        "Die Aussetzung {reference} war zum {on} zu überprüfen.", "The hold {reference} was to be reviewed by {on}."
    ),
    "action.hold_review": Message("Aufheben oder neu begründen.", "Release it, or give its reason anew."),
    # ── Changes ──
    "change.rules_first_stated": Message(
        "Die Regeln wurden erstmals festgehalten.", "The rules were stated for the first time."
    ),
    "change.responsible_changed": Message("{field}: {before} → {after}", "{field}: {before} → {after}"),
    "change.stack_promise_changed": Message(
        "Zusage für das Monitoring: {before_s} → {after_s}",
        "Promise for the monitoring stack: {before_s} → {after_s}",
    ),
    "change.dataset_added": Message("Der Datenbestand kam dazu.", "The dataset was added."),
    "change.dataset_removed": Message(
        "Der Datenbestand ist nicht mehr konfiguriert.", "The dataset is no longer configured."
    ),
    "change.config_changed": Message(
        "Prüfsumme der Konfiguration: {before} → {after}",
        "Configuration hash: {before} → {after}",
    ),
    "change.period_changed": Message("{field}: {before_s} → {after_s}", "{field}: {before_s} → {after_s}"),
    "change.rule_changed": Message("{field}: {before} → {after}", "{field}: {before} → {after}"),
    "change.schema_changed": Message(
        "Seit {at} {columns|Spalte|Spalten} (Schemaversion {version}).",
        "Since {at} {columns|column|columns} (version {version}).",
    ),
    "change.chunks_quarantined": Message(
        "{chunks|Chunk kam|Chunks kamen} in Quarantäne.", "{chunks|chunk went|chunks went} into quarantine."
    ),
    "change.chunks_released": Message(
        "{chunks|Chunk wurde|Chunks wurden} aus der Quarantäne entlassen.",
        "{chunks|chunk was|chunks were} released from quarantine.",
    ),
    "change.hold_placed": Message("Aussetzung {reference} am {at}.", "Hold {reference} placed at {at}."),
    "change.hold_released": Message("Aussetzung {reference} am {at} aufgehoben.", "Hold {reference} released at {at}."),
    "change.finding_changed": Message(
        "{check} ({subject}): {before} → {after}", "{check} ({subject}): {before} → {after}"
    ),
}
