"""Every word that a person reads in a report, in German and English side by side.

``{rows}`` is a fact, written in the language's own way; ``{rows|row|rows}`` is a number with its noun.
"""

from collections.abc import Mapping

from archiver.words import Message

CATALOGUE: Mapping[str, Message] = {
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
        "Der externe Prüfanker war leer und wurde am {at} auf den Stand der Protokollkette gesetzt: Einträge davor sind durch ihn nicht belegt.",
        "The anchor was empty and was set to the ledger at {at}: it does not vouch for the entries before.",
    ),
    "action.anchor_adopted": Message(
        "Klären, warum der Prüfanker verloren ging; die Protokollkette mit einer Kopie vergleichen.",
        "Find out why the anchor was lost; compare the ledger with a copy.",
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
    # ── Identity ──
    "section.identity": Message("Angaben zum Bericht", "About this report"),
    "label.number": Message("Berichtsnummer", "Report number"),
    "label.period_utc": Message("Zeitraum (UTC)", "Period (UTC)"),
    "label.period_local": Message("Zeitraum (Europe/Berlin)", "Period (Europe/Berlin)"),
    "label.as_of": Message("Stand", "As of"),
    "as_of": Message("Eintrag {seq} der Protokollkette vom {at}", "ledger entry {seq} of {at}"),
    "label.tool": Message("Programmversion", "Tool version"),
    "tool": Message("{tool}; Bericht geschrieben von {writer}", "{tool}; report written by {writer}"),
    "label.config": Message("Prüfsumme der Konfiguration", "Configuration hash"),
    "label.controller": Message("Verantwortlicher", "Controller"),
    "label.processor": Message("Auftragsverarbeiter", "Processor"),
    "label.officer": Message("Datenschutzbeauftragter", "Data protection officer"),
    "label.record": Message("Nr. im Verzeichnis der Verarbeitungstätigkeiten", "Number in the record of processing"),
    "label.store": Message("Speicherort des Archivs", "Where the archive is"),
    "text.personal": Message(
        "Dieser Bericht enthält keine personenbezogenen Daten aus den Beständen: nur Zahlen, Zeiten, Namen von Tabellen"
        " und Objekten. Grundlage ist allein die Protokollkette, das signierte Löschprotokoll des Archivs; die Quellen wurden für ihn nicht befragt.",
        "This report holds no personal data of the datasets: only counts, times, names of tables and objects. It rests"
        " on the ledger alone; the sources were not asked for it.",
    ),
    "text.operations": Message(
        "Verlagerung heißt: Zeilen haben ihre Quelle verlassen, und das Archiv hält sie bis zum Ende seiner eigenen Frist."
        " Löschung heißt: sie sind an allen Speicherorten gelöscht, bis auf die genannten Restkopien.",
        "Moved means: rows have left their source, and the archive holds them until the end of a period of its own."
        " Deleted means: they are gone everywhere but for the residual copies named.",
    ),
    # ── Datasets ──
    "section.dataset": Message("Datenbestand {name}", "Dataset {name}"),
    "section.rule": Message("Regel", "Rule"),
    "label.place": Message("Ort der Quelle", "Where the source is"),
    "label.rule_source": Message("Löschregel der Quelle", "Rule for the source"),
    "label.rule_archive": Message("Löschregel des Archivs", "Rule for the archive"),
    "rule.source": Message("{period} ab Entstehung des Datensatzes ({column})", "time in {column} + {period}"),
    "rule.source.loki": Message(
        "{period} ab Entstehung der Zeile. Die Löschung übernimmt der Compactor von Loki; in Verzeichnissen ohne laufendes Loki archiver.",
        "time of the line + {period}. Loki's compactor deletes; in a directory without a running Loki, archiver does.",
    ),
    "rule.source.files": Message(
        "{period} ab Entstehung der Zeile. Die Chunk-Dateien löscht archiver.",
        "time of the line + {period}. archiver deletes the chunk files.",
    ),
    "rule.archive": Message("{period} ab Ende des Speichertages", "end of the window + {period}"),
    "label.purpose": Message("Zweck", "Purpose"),
    "label.legal_basis": Message("Rechtsgrundlage", "Legal basis"),
    "label.deletion_class": Message("Löschklasse", "Deletion class"),
    "label.subject_columns": Message("Spalten, die eine Person benennen", "Columns that name a person"),
    "label.policies": Message("Datenminimierung vor der Archivierung", "Treatment before writing"),
    "section.figures": Message("In diesem Zeitraum", "In this period"),
    "label.archived": Message("Archiviert", "Archived"),
    "archived": Message(
        "{rows|Zeile|Zeilen} aus {windows|Zeitfenster|Zeitfenstern} in {objects|Objekt|Objekten}, {size}",
        "{rows|row|rows} of {windows|window|windows} in {objects|object|objects}, {size}",
    ),
    "archived.bounds": Message("von {oldest} bis {newest}", "from {oldest} until {newest}"),
    "label.relocated": Message("Verlagert (Quelle → Archiv)", "Moved (source → archive)"),
    "label.deleted": Message("Gelöscht (Archiv)", "Deleted (archive)"),
    "rows": Message("{rows|Zeile|Zeilen}", "{rows|row|rows}"),
    "deleted": Message(
        "{rows|Zeile|Zeilen}, {objects|Objekt|Objekte} mit {versions|Objektversion|Objektversionen}",
        "{rows|row|rows}, {objects|object|objects} with {versions|version|versions}",
    ),
    "label.left": Message("Nicht gelöscht (mit Grund)", "Left in place"),
    "left.one": Message("{rows|Zeile|Zeilen}: {reason}", "{rows|row|rows}: {reason}"),
    "label.held": Message("Im Archiv am Ende", "In the archive at the end"),
    "label.verified": Message("Letzte vollständige Rückleseprüfung", "Every object read back since"),
    "unverified": Message("{objects|Objekt|Objekte} noch nie", "{objects|object|objects} never yet"),
    "label.next_due": Message("Nächste Löschung im Archiv fällig", "Next deletion due in the archive"),
    "label.odd": Message("Besonderheiten", "Out of the ordinary"),
    "odd.changed": Message(
        "{rows|Zeile wurde|Zeilen wurden} in der Quelle geändert, beide Versionen sind archiviert",
        "{rows|row was|rows were} changed in the source, both versions are archived",
    ),
    "odd.late": Message(
        "{rows|Datensatz ist|Datensätze sind} nachträglich eingegangen", "{rows|row came|rows came} late"
    ),
    "odd.missing": Message(
        "{rows|Zeile fehlte|Zeilen fehlten} in der Quelle", "{rows|row was|rows were} missing in the source"
    ),
    "odd.duplicate": Message(
        "{rows|Zeile mit|Zeilen mit} mehrfachem Schlüssel", "{rows|row with|rows with} a key that is not unique"
    ),
    "never": Message("nie", "never"),
    "chart.days": Message("Zeilen je Tag", "Rows per day"),
    "chart.months": Message("Zeilen je Monat", "Rows per month"),
    "chart.days.alt": Message(
        "Balken je Abschnitt. Insgesamt {archived} archiviert, {relocated} verlagert, {deleted} gelöscht; am meisten archiviert {peak}.",
        "Bars for each step of time. In all {archived} archived, {relocated} moved, {deleted} deleted; most archived {peak}.",
    ),
    "chart.archived": Message("archiviert", "archived"),
    "chart.relocated": Message("verlagert", "moved"),
    "chart.deleted": Message("gelöscht", "deleted"),
    "chart.ages": Message("Alter der ältesten Zeile, in Tagen", "Age of the oldest row, in days"),
    "chart.ages.alt": Message(
        "Linien über die Prüfungen des Zeitraums. {places}", "Lines over the checks of the period. {places}"
    ),
    "chart.ages.place": Message("{place}: zuletzt {age}, erlaubt {limit}.", "{place}: last {age}, allowed {limit}."),
    "chart.limit": Message("{place}, erlaubt {limit}", "{place}, allowed {limit}"),
    "place.source": Message("Quelle", "source"),
    "place.archive": Message("Archiv", "archive"),
    "section.observed": Message("Negativprüfung", "Negative check"),
    "text.observed": Message(
        "Gezählt am Ende des letzten Laufs. In der Quelle läuft die Frist ab der Zeit einer Zeile, im Archiv ab dem Ende"
        " ihres Zeitfensters oder ab der Archivierung, was früher ist: die älteste Zeile dort kann bis zu einem"
        " Zeitfenster älter sein als erlaubt, ohne überfällig zu sein.",
        "Counted at the end of the last run. In the source the period runs from a row's time, in the archive from the end"
        " of its window or from its archiving, whichever is earlier: the oldest row there can be older than allowed by up"
        " to one window without being overdue.",
    ),
    "section.observed.none": Message("Nicht aufgezeichnet.", "Not recorded."),
    "column.place": Message("Ort", "Place"),
    "column.at": Message("Geprüft", "Checked"),
    "column.rows": Message("Zeilen", "Rows"),
    "column.limit": Message("Erlaubt", "Allowed"),
    "column.oldest": Message("Älteste Zeile", "Oldest row"),
    "column.age": Message("Alter", "Age"),
    "column.overdue": Message("Überfällig", "Overdue"),
    "column.reasons": Message("Gründe", "Reasons"),
    "unseen": Message("nicht einsehbar", "could not be looked at"),
    "section.deletions": Message("Löschprotokoll", "Deletion record"),
    "section.deletions.none": Message(
        "In diesem Zeitraum wurde nichts verlagert oder gelöscht.", "Nothing was moved or deleted in this period."
    ),
    "column.operation": Message("Vorgang", "Operation"),
    "left.locked": Message("gesperrt bis {until}", "locked until {until}"),
    "operation.relocation": Message("Verlagerung", "moved"),
    "operation.deletion": Message("Löschung", "deleted"),
    "operation.residual": Message("Restkopie", "residual copy"),
    "operation.litter": Message("Aufräumen", "litter"),
    "column.slot": Message("Zeitfenster", "Window"),
    "column.due": Message("Fällig (von, bis)", "Due (from, until)"),
    "column.deleted_at": Message("Ausgeführt (UTC)", "Done at (UTC)"),
    "column.planned": Message("Geplant", "Planned"),
    "column.done": Message("Erledigt", "Done"),
    "column.difference": Message("Differenz, Grund", "Difference, reason"),
    "column.left": Message("Verblieben", "Left"),
    "column.entry": Message("Eintrag", "Entry"),
    "text.deletions": Message(
        "Grund aller Vorgänge ist der Ablauf der Frist, wenn nichts anderes dasteht; Löschungen nach Art. 17 und zum"
        " Vertragsende werden nicht gesondert aufgezeichnet. Ausgeführt hat sie {tool}. Verfahren: {methods}.",
        "The reason of each is the end of its period, unless said otherwise; deletions under Art. 17 and at the end of a"
        " contract are not recorded apart. Executed by {tool}. Method: {methods}.",
    ),
    "method.compared_in_transaction": Message(
        "jede Zeile in der löschenden Transaktion mit dem geprüften Archiv verglichen, dann genau diese gelöscht und gezählt",
        "each row compared with the verified archive in the deleting transaction, then exactly these deleted and counted",
    ),
    "method.reconciled": Message(
        "nach einem abgebrochenen Lauf durch Vergleich festgestellt", "found by comparison after a run that had died"
    ),
    "method.all_versions": Message(
        "Objekt mit allen Objektversionen gelöscht, dann danach gesucht",
        "object deleted with all its versions, then looked for",
    ),
    "method.unnamed_objects": Message(
        "Objekte gelöscht, die kein Eintrag nennt", "objects deleted that no entry names"
    ),
    "method.chunks_compared": Message(
        "jede Zeile der Chunk-Dateien mit dem zurückgelesenen Archiv verglichen, Dateien gelöscht, dann danach gesucht",
        "each line of the chunk files compared with the archive as read back, files deleted, then looked for",
    ),
    "method.chunks_reconciled": Message(
        "Chunk-Dateien eines abgebrochenen Laufs, deren Fehlen der nächste festgestellt hat",
        "chunk files of a run that had died, found gone by the next one",
    ),
    "section.proofs": Message("Nachweise", "Proofs"),
    "text.proofs": Message(
        "Jede verlagerte Zeile stand in einem dieser Objekte, das davor zurückgelesen wurde. Bei einer Löschung sind es die gelöschten Objekte.",
        "Each moved row stood in one of these objects, which had been read back before. For a deletion they are the objects deleted.",
    ),
    "column.object": Message("Objekt und SHA-256", "Object and SHA-256"),
    "column.size": Message("Größe", "Size"),
    "column.verified": Message("Zuvor geprüft", "Checked before"),
    "deep": Message("inhaltlich", "decoded"),
    "more": Message(
        "{rows|weitere Zeile steht|weitere Zeilen stehen} vollständig in der CSV- und der JSON-Fassung.",
        "{rows|more line stands|more lines stand} in the CSV and JSON files, complete.",
    ),
    "section.residuals": Message("Restkopien", "Residual copies"),
    "text.residuals": Message(
        "Restkopien und spätestes Löschdatum:",
        "After the last deletion of the period something can still be in:",
    ),
    "text.residuals.nowhere": Message(
        "Keine der konfigurierten Kopien enthält diesen Datenbestand.",
        "None of the configured copies holds this dataset.",
    ),
    "text.residuals.none": Message(
        "Gelöscht wurde nichts. Wie lange Sicherungen etwas behielten, sagt die Konfiguration.",
        "Nothing was deleted. How long backups would keep anything is in the configuration.",
    ),
    "residual.archive": Message("Archiv (nach Verlagerung)", "the archive itself (after moving)"),
    "residual.loki": Message(
        "Loki selbst: nach Ablauf der Frist noch für die Verzögerung des Compactors",
        "Loki itself: after its period for the delay of its compactor",
    ),
    "residual.loki.delay": Message("siehe „Monitoring“: {delay}", "see “Monitoring”: {delay}"),
    "residual.unknown": Message("Ende nicht bekannt", "end not known"),
    "column.copy": Message("Kopie", "Copy"),
    "column.until": Message("Längstens bis", "At the latest until"),
    "section.schema": Message("Spalten", "Columns"),
    "column.version": Message("Schemaversion", "Version"),
    "column.since": Message("Seit", "Since"),
    "column.columns": Message("Spalten", "Columns"),
    "column.schema_change": Message("Änderung", "Change"),
    "schema.added": Message("neu: {names}", "added: {names}"),
    "schema.dropped": Message("entfallen: {names}", "dropped: {names}"),
    "schema.retyped": Message("anderer Typ: {names}", "retyped: {names}"),
    "schema.first": Message("erste Schemaversion", "first version"),
    "schema.accepted": Message("von einer Person bestätigt", "a person agreed"),
    "section.chunks": Message("Loki-Chunks", "Loki chunks"),
    "label.chunks": Message("Archiviert", "Archived"),
    "chunks": Message(
        "{chunks|Chunk|Chunks}, {size}: {entries|Zeile|Zeilen}, davon {rows} neu, {duplicate} doppelt, {deleted} auf Verlangen ausgelassen",
        "{chunks|chunk|chunks}, {size}: {entries|line|lines}, of them {rows} new, {duplicate} duplicate, {deleted} left out on request",
    ),
    "label.waiting": Message("Warten", "Waiting"),
    "label.lost": Message("Verloren", "Lost"),
    "label.scrubbed": Message("Aus Zeilen entfernt", "Taken out of lines"),
    "scrubbed": Message("{pattern}: {lines|Zeile|Zeilen}, {action}", "{pattern}: {lines|line|lines}, {action}"),
    "label.quarantine": Message("Quarantäne", "Quarantine"),
    "column.chunk": Message("Chunk", "Chunk"),
    "column.reason": Message("Grund", "Reason"),
    "section.rewrites": Message("Umgeschrieben ohne Änderung des Inhalts", "Rewritten without change of content"),
    "text.rewrites": Message(
        "Mehrere Objekte eines Zeitfensters wurden durch weniger ersetzt. Die neuen wurden zurückgelesen und Zeile für Zeile"
        " mit den alten verglichen, bevor sie galten; keine Zeile kam dazu, keine ging, und keine Frist beginnt neu. Die"
        " alten Objekte werden danach mit allen Objektversionen entfernt. Prüfsummen der alten stehen in der JSON-Fassung.",
        "Several objects of a window were replaced by fewer. The new ones were read back and compared with the old row by"
        " row before they counted; no row was added, none went, and no period begins anew. The old objects are removed"
        " afterwards with all their versions. The hashes of the old are in the JSON file.",
    ),
    "label.parts_removed": Message("Ersetzte Objekte entfernt", "Replaced objects removed"),
    "parts": Message(
        "{objects|Objekt|Objekte}, {size}, mit {versions|Objektversion|Objektversionen}",
        "{objects|object|objects}, {size}, with {versions|version|versions}",
    ),
    "label.parts_waiting": Message("Ersetzt und noch nicht entfernt", "Replaced and not yet removed"),
    "parts.count": Message("{objects|Objekt|Objekte}", "{objects|object|objects}"),
    "parts.not_yet": Message("noch nicht", "not yet"),
    "column.rewritten_at": Message("Umgeschrieben (UTC)", "Rewritten (UTC)"),
    "column.objects_before": Message("Objekte davor", "Objects before"),
    "column.objects_after": Message("Objekte danach und SHA-256", "Objects after, and SHA-256"),
    "column.parts_removed_at": Message("Alte entfernt (UTC)", "Old ones removed (UTC)"),
    "section.files": Message("Gelöschte Chunk-Dateien", "Deleted chunk files"),
    "text.files": Message(
        "Die Dateien lagen in einem Verzeichnis, das kein Loki liest. Vor jeder Löschung wurde jede Zeile jedes Chunks mit"
        " den zurückgelesenen Objekten des Archivs verglichen, danach wurde nachgesehen, was gelöscht ist. Welche Chunks es"
        " waren, nennt das angegebene Objekt. Gezählt werden Chunks; ihre Zeilen stehen weiter im Archiv, bis zum Ende von dessen Frist (Verlagerung).",
        "The files lay in a directory that no Loki reads. Before each deletion every line of every chunk was compared"
        " with the archive's objects, read back for that; afterwards it was looked which are gone. The object given"
        " names the chunks. Counted are chunks; their lines stay in the archive until the end of its period (moved).",
    ),
    "label.files": Message("Gelöscht", "Deleted"),
    "files.total": Message(
        "{chunks|Chunk|Chunks}, {size}, in {operations|Vorgang|Vorgängen}; davon {later|Chunk|Chunks} erst von einem späteren Lauf abgerechnet",
        "{chunks|chunk|chunks}, {size}, in {operations|operation|operations}; of them {later|chunk|chunks} accounted for by a later run only",
    ),
    "label.files_open": Message("Angekündigt, nicht abgerechnet", "Announced, not accounted for"),
    "label.rows_of_chunks": Message("Zeilen der gelöschten Chunk-Dateien", "rows of the deleted chunk files"),
    "chunks.moved": Message("{chunks|Chunk-Datei|Chunk-Dateien}", "{chunks|chunk file|chunk files}"),
    "lost": Message("{chunks|Chunk|Chunks}, bemerkt {at}", "{chunks|chunk|chunks}, noticed {at}"),
    "chunks.count": Message("{chunks|Chunk|Chunks}", "{chunks|chunk|chunks}"),
    "column.chunks": Message("Chunks", "Chunks"),
    "column.list": Message("Objekt, das sie nennt, und SHA-256", "Object that names them, and SHA-256"),
    "column.proven": Message("Zuvor verglichen (UTC)", "Compared before (UTC)"),
    "column.accounted": Message("Abgerechnet", "Accounted for"),
    "files.same_run": Message("vom selben Lauf", "by the same run"),
    "files.later": Message("von einem späteren Lauf", "by a later run"),
    "kept.not_deleted": Message(
        "{chunks|Chunk|Chunks}: nicht löschbar, oder nicht mehr die Datei, die verglichen wurde",
        "{chunks|chunk|chunks}: could not be deleted, or not the file any more that had been compared",
    ),
    "kept.run_died": Message(
        "{chunks|Chunk|Chunks}: der ankündigende Lauf brach vorher ab",
        "{chunks|chunk|chunks}: the run that announced it died before",
    ),
    # ── The rest ──
    "section.holds": Message("Aussetzung der Löschung (Art. 17 Abs. 3, Art. 18 DSGVO)", "Holds"),
    "section.holds.none": Message(
        "In diesem Zeitraum war keine Löschung ausgesetzt.", "No deletion was on hold in this period."
    ),
    "column.reference": Message("Aktenzeichen", "Reference"),
    "column.scope": Message("Umfang", "Scope"),
    "column.placed": Message("Angeordnet", "Placed"),
    "column.review": Message("Zu prüfen am", "To review on"),
    "column.released": Message("Aufgehoben", "Released"),
    "scope.subject": Message("eine Person (Kennung {subject}…)", "a person (digest {subject}…)"),
    "scope.all": Message("alle Zeilen", "all rows"),
    "scope.bounds": Message("{since} bis {until}", "{since} until {until}"),
    "scope.everything": Message("alle Datenbestände", "all datasets"),
    "section.runs": Message("Läufe, Ausfälle, Fehler", "Runs, missed nights, failures"),
    "label.nights": Message("Nächtliche Läufe", "Nightly runs"),
    "nights": Message("{runs|Lauf|Läufe}; aufgezeichnet seit {since}", "{runs|run|runs}; recorded since {since}"),
    "label.missed": Message("Ausgefallene Nächte", "Missed nights"),
    "runs.none": Message("Kein Lauf mit Fehlern.", "No run with failures."),
    "column.run": Message("Lauf", "Run"),
    "column.status": Message("Status", "Status"),
    "column.steps": Message("Schritte, die nicht gelangen", "Steps that did not succeed"),
    "step.failed": Message("{step}: fehlgeschlagen (Status {status})", "{step}: failed (status {status})"),
    "step.skipped": Message("{step}: übersprungen", "{step}: skipped"),
    "exit.0": Message("erledigt und nachgewiesen", "done and proven"),
    "exit.1": Message("unerwartet", "unexpected"),
    "exit.2": Message("Konfiguration; keine Änderung vorgenommen", "configuration; nothing was touched"),
    "exit.3": Message("teilweise; was fehlt, ist benannt", "partial; what failed is named"),
    "exit.4": Message(
        "Widerspruch oder Verstoß; eine Person muss nachsehen", "contradiction or breach; a person must look"
    ),
    "exit.5": Message("ein anderer Lauf war aktiv", "another run was at work"),
    "exit.6": Message("eine Schutzprüfung hat eine Löschung abgelehnt", "a guard refused a deletion"),
    "exit.75": Message("vorübergehend", "temporary"),
    "exit.130": Message("unterbrochen", "interrupted"),
    "section.stack": Message(
        "Monitoring: zugesagt, konfiguriert, in Kraft, beobachtet",
        "Monitoring: promised, configured, in force, observed",
    ),
    "label.stack": Message("Prüfung des Monitorings", "Check of the monitoring stack"),
    "section.stack.none": Message("In diesem Zeitraum nicht geprüft.", "Not checked in this period."),
    "stack.checked": Message(
        "Letzte von {checks|Prüfung|Prüfungen} des Zeitraums: {at}. Zugesagt sind höchstens {promised}. Was in „…“ steht, ist der englische Wortlaut des Programms.",
        "Last of {checks|check|checks} in the period: {at}. Promised are at most {promised}.",
    ),
    "column.check": Message("Prüfung", "Check"),
    "column.verdict": Message("Befund", "Finding"),
    "column.promised": Message("Zugesagt", "Promised"),
    "column.configured": Message("Konfiguriert", "Configured"),
    "column.in_force": Message("In Kraft", "In force"),
    "column.observed": Message("Beobachtet", "Observed"),
    "finding.ok": Message("eingehalten", "ok"),
    "finding.breach": Message("Verstoß", "breach"),
    "finding.cannot_tell": Message("nicht prüfbar", "cannot tell"),
    "section.litter": Message("Aufgeräumte Objekte", "Litter"),
    "text.litter": Message(
        "Objekte, die kein Eintrag nennt, sind keine Daten, können aber personenbezogene Daten enthalten und werden entfernt.",
        "Objects that no entry names are no data, but may hold personal data, and are removed.",
    ),
    "column.objects": Message("Objekte", "Objects"),
    "section.chain": Message(
        "Protokollkette (signiertes Löschprotokoll) und Nachprüfung", "Ledger, and how to check it"
    ),
    "label.head": Message("Kopf der Protokollkette", "Head of the ledger"),
    "label.head_hash": Message("SHA-256 des Eintrags", "SHA-256 of the entry"),
    "label.signature": Message("Signatur (Ed25519)", "Signature (Ed25519)"),
    "label.public_key": Message("Öffentlicher Schlüssel", "Public key"),
    "label.anchor": Message("Externer Prüfanker", "Anchor"),
    "label.archive_id": Message("Archiv", "Archive"),
    "label.entries": Message("Einträge im Zeitraum", "Entries in the period"),
    "text.check": Message(
        "Für eine unabhängige Prüfung genügen eine Kopie des Archivs und der auf anderem Weg erhaltene öffentliche Schlüssel; Netz und Passwort braucht sie nicht:",
        "Whoever wants to check without trusting anybody needs a copy of the archive and this key from another hand, no network and no password:",
    ),
    "text.check.head": Message(
        "Der Eintrag, auf dem dieser Bericht steht, hat diese Prüfsumme:",
        "The entry that this report rests on has this hash:",
    ),
    "section.gaps": Message("Lücken", "Gaps"),
    "text.gaps": Message(
        "Diese Angaben eines Löschprotokolls fehlen:", "These fields of a deletion record are missing:"
    ),
    "text.gaps.none": Message("Keine Angabe des Löschprotokolls fehlt.", "No field of the deletion record is missing."),
    "column.field": Message("Angabe", "Field"),
    "column.json": Message("Feld der JSON-Fassung", "Field of the JSON file"),
    "column.state": Message("Zustand", "State"),
    # ── Reasons that the program writes ──
    "policy.keep": Message("unverändert", "kept as it is"),
    "policy.drop": Message("entfernt", "dropped"),
    "policy.hmac": Message("pseudonymisiert (HMAC-SHA-256)", "replaced by a keyed digest"),
    "policy.truncate_ip": Message("IP-Adresse gekürzt", "IP address shortened"),
    "stepname.export": Message("Archivieren", "export"),
    "stepname.verify": Message("Prüfen", "verify"),
    "stepname.purge": Message("Löschen in der Quelle", "purge"),
    "stepname.expire": Message("Löschen im Archiv", "expire"),
    "stepname.compact": Message("Umschreiben", "compact"),
    "stepname.stack_check": Message("Prüfung des Monitorings", "stack check"),
    "stepname.report": Message("Bericht", "report"),
    "check.alertmanager.check": Message("Alertmanager: die Prüfung selbst", "Alertmanager: the check itself"),
    "check.alertmanager.reachable": Message("Alertmanager: Erreichbarkeit", "Alertmanager: reachable"),
    "check.alertmanager.retention": Message(
        "Alertmanager: Aufbewahrung von Stummschaltungen", "Alertmanager: how long silences are kept"
    ),
    "check.alerts.check": Message("Alarmdienst: die Prüfung selbst", "Alert service: the check itself"),
    "check.alerts.reachable": Message("Alarmdienst: Erreichbarkeit", "Alert service: reachable"),
    "check.alerts.retention": Message(
        "Alarmdienst: Aufbewahrung von Alarmen", "Alert service: how long alerts are kept"
    ),
    "check.compose.check": Message("Compose-Datei: die Prüfung selbst", "Compose file: the check itself"),
    "check.compose.file": Message("Compose-Datei: Lesbarkeit", "Compose file: can be read"),
    "check.compose.output": Message(
        "Ausgaben der Container: Aufbewahrung", "Output of containers: how long it is kept"
    ),
    "check.compose.prometheus.retention": Message(
        "Compose-Datei: Frist von Prometheus nach dem nächsten Start",
        "Compose file: Prometheus's period after the next start",
    ),
    "check.compose.loki.retention": Message(
        "Compose-Datei: Frist von Loki nach dem nächsten Start", "Compose file: Loki's period after the next start"
    ),
    "check.compose.alertmanager.retention": Message(
        "Compose-Datei: Frist des Alertmanagers nach dem nächsten Start",
        "Compose file: Alertmanager's period after the next start",
    ),
    "check.compose.prometheus.drift": Message(
        "Compose-Datei: Abweichung vom laufenden Prometheus", "Compose file: differs from the Prometheus that runs"
    ),
    "check.compose.loki.drift": Message(
        "Compose-Datei: Abweichung vom laufenden Loki", "Compose file: differs from the Loki that runs"
    ),
    "check.compose.alertmanager.drift": Message(
        "Compose-Datei: Abweichung vom laufenden Alertmanager", "Compose file: differs from the Alertmanager that runs"
    ),
    "check.logs.check": Message("Logverzeichnis: die Prüfung selbst", "Log directory: the check itself"),
    "check.logs.lines": Message("Logverzeichnis: älteste Zeile", "Log directory: oldest line"),
    "check.logs.rotation": Message("Logverzeichnis: Rotation", "Log directory: rotation"),
    "check.loki.check": Message("Loki: die Prüfung selbst", "Loki: the check itself"),
    "check.loki.chunk_files": Message("Loki: Chunk-Dateien auf dem Datenträger", "Loki: chunk files on disk"),
    "check.loki.compactor.ran": Message("Loki: letzter Lauf des Compactors", "Loki: last run of the compactor"),
    "check.loki.oldest_line": Message("Loki: älteste Zeile", "Loki: oldest line"),
    "check.loki.reachable": Message("Loki: Erreichbarkeit", "Loki: reachable"),
    "check.loki.retention.enabled": Message("Loki: Löschen eingeschaltet", "Loki: deletion is switched on"),
    "check.loki.retention.period": Message("Loki: eingestellte Frist", "Loki: configured period"),
    "check.loki.retention.stream": Message("Loki: Fristen einzelner Streams", "Loki: periods of single streams"),
    "check.loki.retention.tenant": Message("Loki: Fristen einzelner Mandanten", "Loki: periods of single tenants"),
    "check.prometheus.check": Message("Prometheus: die Prüfung selbst", "Prometheus: the check itself"),
    "check.prometheus.agent": Message(
        "Prometheus-Agent: Aufbewahrung vor dem Weitersenden",
        "Prometheus agent: how long it holds samples before it sends them",
    ),
    "check.prometheus.blocks": Message("Prometheus: Blöcke auf dem Datenträger", "Prometheus: blocks on disk"),
    "check.prometheus.reachable": Message("Prometheus: Erreichbarkeit", "Prometheus: reachable"),
    "check.prometheus.remote_write": Message("Prometheus: Kopien bei anderen", "Prometheus: copies elsewhere"),
    "check.prometheus.retention.observed": Message("Prometheus: ältester Messwert", "Prometheus: oldest sample"),
    "check.prometheus.retention.setting": Message("Prometheus: eingestellte Frist", "Prometheus: configured period"),
    "check.prometheus.snapshot": Message(
        "Prometheus: Momentaufnahmen auf dem Datenträger", "Prometheus: snapshots on disk"
    ),
    "check.store.check": Message("Objektspeicher: die Prüfung selbst", "Object store: the check itself"),
    "check.store.reachable": Message("Objektspeicher: Erreichbarkeit", "Object store: reachable"),
    "check.store.versions": Message("Objektspeicher: alte Objektversionen", "Object store: old versions"),
    "check.store.lifecycle": Message(
        "Objektspeicher: Regeln, die von selbst löschen", "Object store: rules that delete by themselves"
    ),
    "check.store.lock": Message("Objektspeicher: Sperre (Object Lock)", "Object store: lock (Object Lock)"),
    "check.store.public": Message("Objektspeicher: öffentlicher Zugriff", "Object store: public access"),
    "check.supabase.check": Message("Supabase: die Prüfung selbst", "Supabase: the check itself"),
    "check.supabase.backups": Message("Supabase: Sicherungen", "Supabase: backups"),
    "check.supabase.jobs": Message(
        "Supabase: Aufträge, die Zeilen löschen oder kopieren", "Supabase: jobs that delete or copy rows"
    ),
    "check.supabase.oldest_row": Message("Supabase: überfällige Zeilen", "Supabase: overdue rows"),
    "check.supabase.reachable": Message("Supabase: Erreichbarkeit", "Supabase: reachable"),
    # ── Record of processing ──
    "vvt.title": Message("Verzeichnis der Verarbeitungstätigkeiten", "Record of processing activities"),
    "vvt.subtitle": Message(
        "Art. 30 Abs. 1 DSGVO, aus der Konfiguration von archiver",
        "Art. 30(1) GDPR, from the configuration of archiver",
    ),
    "vvt.activity": Message("Verarbeitung {name}", "Processing {name}"),
    "vvt.persons": Message("Kategorien betroffener Personen", "Categories of data subjects"),
    "vvt.data": Message("Kategorien personenbezogener Daten", "Categories of personal data"),
    "vvt.recipients": Message("Kategorien von Empfängern", "Categories of recipients"),
    "vvt.transfers": Message("Übermittlung in Drittländer", "Transfers to third countries"),
    "vvt.deadlines": Message("Löschfristen", "Time limits for erasure"),
    "vvt.measures": Message(
        "Technische und organisatorische Maßnahmen (Art. 32)", "Technical and organisational measures (Art. 32)"
    ),
    "vvt.responsible": Message("Verantwortlicher und Ansprechpartner", "Who is responsible"),
    "vvt.monitoring": Message("Monitoring (Metriken, Logs, Alarme)", "Monitoring (metrics, logs, alerts)"),
    "vvt.gaps": Message(
        "Nicht konfiguriert sind {gaps|Angabe|Angaben}; ohne sie ist das Verzeichnis nicht vollständig.",
        "{gaps|statement is|statements are} not configured; without them the record is not complete.",
    ),
    "vvt.complete": Message("Alle Angaben sind konfiguriert.", "Every statement is configured."),
    "vvt.measure.integrity": Message(
        "Protokollkette (signiertes Löschprotokoll), deren Kopf außerhalb des Archivs verankert ist: Änderung, Entfernung und Kürzung sind nachweisbar.",
        "A chained, signed ledger whose head is anchored outside of the archive: an alteration, removal or cut can be shown.",
    ),
    "vvt.measure.deletion": Message(
        "Gelöscht wird nur, was in der löschenden Transaktion mit dem geprüften Archiv übereinstimmt; Schutzprüfungen gegen Uhrensprünge und zu große Anteile.",
        "Only what equals the verified archive in the deleting transaction is deleted; guards against clocks that jump and shares that are too large.",
    ),
    "vvt.measure.holds": Message(
        "Aussetzungen werden in jeder löschenden Transaktion geprüft.",
        "Holds are looked up in each deleting transaction.",
    ),
    "vvt.measure.minimal": Message(
        "Die Protokollkette, die Logs und die Berichte enthalten keine personenbezogenen Daten; Personen erscheinen nur als Pseudonym (HMAC-SHA-256).",
        "Ledger, logs and reports hold no personal data; a person appears only as a keyed digest.",
    ),
    "vvt.measure.policies": Message(
        "Datenminimierung vor der Archivierung: {policies}", "Treatment before writing: {policies}"
    ),
    "vvt.measure.encryption": Message(
        "Verschlüsselung ruhender Daten im Objektspeicher: {mode}", "Encryption at rest in the object store: {mode}"
    ),
    "vvt.measure.bucket": Message("Vorgabe des Speichers", "the store's own default"),
}
"""By key. A test holds it together with the code: nothing missing, nothing left over."""
