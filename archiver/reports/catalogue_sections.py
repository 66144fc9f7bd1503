"""The texts of the sections: labels, columns and what stands between them."""

from collections.abc import Mapping

from archiver.words import Message

SECTIONS: Mapping[str, Message] = {
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
    "label.changed": Message(
        "Mitbetroffene Zeilen anderer Tabellen", "Rows of other tables that were affected as well"
    ),
    "text.changed": Message(
        "Mitbetroffene Zeilen anderer Tabellen, wie purge_may_change es erlaubt. Das Archiv enthält sie nicht: gelöschte"
        " sind endgültig gelöscht, von geänderten ist der Stand davor verloren.",
        "Rows of other tables that were affected as well, as purge_may_change allows. The archive does not hold them:"
        " the deleted ones are gone for good, and so is what the changed ones were before.",
    ),
    "column.relation": Message("Tabelle", "Table"),
    "column.rows_deleted": Message("Gelöscht", "Deleted"),
    "column.rows_updated": Message("Geändert", "Changed"),
    "column.rows_inserted": Message("Geschrieben", "Written"),
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
}
