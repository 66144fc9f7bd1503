"""The words of what is in force in the stack, and of what was observed."""

from collections.abc import Mapping

from archiver.words.message import Message

FOUND: Mapping[str, Message] = {
    "force.at_most": Message("höchstens {limit_s}", "at most {limit_s}"),
    "force.at_most_and": Message("höchstens {limit_s} und {delay_s}", "at most {limit_s} and {delay_s}"),
    "force.with_blocks": Message("mit ganzen Blöcken höchstens {limit_s}", "with whole blocks at most {limit_s}"),
    "force.said": Message("{value}", "{value}"),
    "force.nothing_said": Message("nicht genannt", "nothing is said"),
    "force.reach": Message(
        "ganze Blöcke werden gelöscht, ein Messwert kann also {reach_s} alt werden",
        "whole blocks are deleted, so a sample can get {reach_s} old",
    ),
    "force.no_limit": Message("keine zeitliche Grenze", "no limit in time"),
    "force.no_limit_samples": Message(
        "keine zeitliche Grenze: Messwerte bleiben, solange Platz ist",
        "no limit in time: samples stay as long as they fit",
    ),
    "force.too_long_by": Message(
        "Prometheus 3.8 bis 3.10 wendet eine Zeit in der Konfigurationsdatei {times}-mal zu lang an",
        "Prometheus 3.8 to 3.10 applies a time in the configuration file {times} times too long",
    ),
    "force.no_limit_old": Message(
        "keine zeitliche Grenze, sobald die Fehler dieser Version behoben sind; was gezeigt wird, kann veraltet sein",
        "no limit in time once this version's defects with the block are mended; what is shown may be old",
    ),
    "force.waits": Message(
        "höchstens {limit_s} warten Messwerte auf das Weitersenden", "at most {limit_s} wait to be sent"
    ),
    "force.unreadable": Message("{value} ist nicht lesbar", "{value} cannot be read"),
    "force.copied": Message("jeder Messwert wird dorthin kopiert", "every sample is copied there"),
    "force.no_snapshot_limit": Message("keine Frist erreicht eine Momentaufnahme", "no retention reaches a snapshot"),
    "force.delete_404": Message(
        "die Löschschnittstelle antwortet 404: im laufenden Prozess ist das Löschen aus",
        "the delete API answers 404: retention is off in the running process",
    ),
    "force.delete_403": Message(
        "Löschen ist an; Löschen auf Verlangen ist aus (deletion_mode)",
        "retention is on; deletion on request is switched off (deletion_mode)",
    ),
    "force.delete_on": Message(
        "die Löschschnittstelle antwortet: im laufenden Prozess ist das Löschen an",
        "the delete API answers: retention is on in the running process",
    ),
    "force.delete_unknown": Message(
        "die Löschschnittstelle gibt keine Auskunft: {why}", "the delete API does not tell: {why}"
    ),
    "force.for_ever": Message("0 behält Zeilen für immer", "0 keeps lines for ever"),
    "force.longer": Message("{period_s} ist länger als zugesagt", "{period_s} is longer than promised"),
    "force.shortest": Message("die kürzeste Frist von Loki ist {period_s}", "Loki's shortest period is {period_s}"),
    "force.not_longer": Message("nicht länger als zugesagt", "not longer than promised"),
    "force.not_applied": Message("nicht angewandt: das Löschen ist aus", "not applied: retention is off"),
    "force.whole_chunks": Message(
        "ein Chunk wird als Ganzes und später gelöscht, eine Zeile kann also {period_s} und {delay_s} alt werden",
        "a chunk goes as a whole and later, so a line can get {period_s} and {delay_s} old",
    ),
    "force.at_least_every": Message("mindestens alle {period_s}", "at least every {period_s}"),
    "force.not_told": Message("von der Schnittstelle nicht genannt", "not told by its API"),
    "force.runs": Message("{setting}", "{setting}"),
    "force.same": Message("dasselbe", "the same"),
    "force.output_kept": Message(
        "solange der Docker-Daemon nichts anderes vorgibt, bleiben Ausgaben, solange der Container lebt",
        "unless the Docker daemon's own default bounds it, what a container prints is kept while it lives",
    ),
    "force.line_age": Message("eine Zeile kann {period_s} alt werden", "a line can get {period_s} old"),
    "force.silent": Message(
        "ein Log, das verstummt, wird nicht rotiert (notifempty) und behält seine letzten Dateien",
        "a log that falls silent is not rotated (notifempty) and keeps its last files",
    ),
    "force.silent_pm2": Message(
        "ein Log, das verstummt, behält seine letzten Dateien", "a log that falls silent keeps its last files"
    ),
    "force.mailed": Message(
        "alte Logs werden vor dem Löschen per Mail verschickt: das ist eine Kopie",
        "old logs are mailed before they are deleted: that is a copy",
    ),
    "force.olddir": Message(
        "alte Logs kommen nach {path}: auch dort nachsehen", "old logs go to {path}: look there too"
    ),
    "force.job_deletes": Message("er löscht Zeilen, archiviert oder nicht", "it deletes rows, archived or not"),
    "force.job_on": Message("eingeschaltet", "active"),
    "force.job_off": Message("ausgeschaltet", "switched off"),
    "force.job_names": Message(
        "er nennt die Tabelle; was er tut, wurde nicht verstanden",
        "it names the table; what it does was not understood",
    ),
    "force.by_night": Message(
        "ganze Zeitfenster werden nachts gelöscht: höchstens {limit_s}", "whole windows go by night: at most {limit_s}"
    ),
    "force.in_backups": Message(
        "was jetzt gelöscht wird, steht in Sicherungen bis {until_at}",
        "what is deleted now is in backups until {until_at}",
    ),
    "force.no_copy": Message("keine Restkopie", "no residual copy"),
    "force.no_versions": Message("alte Objektversionen werden nicht behalten", "no old versions are kept"),
    "force.versions": Message("alte Objektversionen werden behalten", "old versions are kept"),
    "force.versions_for_ever": Message(
        "was gelöscht oder überschrieben wird, bleibt als alte Objektversion für immer",
        "what is deleted or overwritten stays as an old version for ever",
    ),
    "force.versions_longer": Message(
        "ein gelöschtes Objekt kann {period_s} länger als alte Objektversion bestehen",
        "a deleted object can live {period_s} longer as an old version",
    ),
    "force.deletes_ledger": Message(
        "sie löscht Einträge der Protokollkette nach {period_s}: das Archiv wäre beschädigt",
        "it deletes ledger entries after {period_s}: the archive would be broken",
    ),
    "force.deletes_segments": Message(
        "sie löscht Objekte des Archivs nach {period_s}, an der Protokollkette vorbei",
        "it deletes segments after {period_s}, behind the ledger's back",
    ),
    "force.deletes_early": Message(
        "sie löscht Objekte des Archivs nach {period_s}, sie sind aber {held_s} zu halten",
        "it deletes segments after {period_s}, but they are to be held {held_s}",
    ),
    "force.cold": Message(
        "nach {period_s} müssen Objekte wiederhergestellt werden, bevor sie geprüft werden können",
        "after {period_s} objects must be restored before they can be verified",
    ),
    "force.locked": Message("nichts kann rechtzeitig gelöscht werden", "nothing can be deleted on time"),
    "seen.version": Message("{product} {version}", "{product} {version}"),
    "seen.agent": Message(
        "der Agent behält keine eigenen Messwerte und sendet alle weiter",
        "it keeps no samples of its own and sends all of them on",
    ),
    "seen.no_sample": Message("noch kein Messwert", "no sample yet"),
    "seen.oldest_sample": Message(
        "ältester Messwert {age_s} alt ({oldest_at})", "oldest sample {age_s} old ({oldest_at})"
    ),
    "seen.no_cross_check": Message("keine Gegenprobe: {why}", "no cross-check: {why}"),
    "seen.query_none": Message(
        "eine Abfrage findet keine von vor {before_at}", "a query finds none from before {before_at}"
    ),
    "seen.query_finds": Message(
        "eine Abfrage findet Messwerte vom {oldest_at}", "a query finds samples of {oldest_at}"
    ),
    "seen.future": Message(
        "das liegt in der Zukunft: die Uhr dort und die eigene weichen voneinander ab",
        "that is in the future: its clock and ours disagree",
    ),
    "seen.copy_known": Message("diese Kopie ist anderswo berücksichtigt", "that copy is accounted for elsewhere"),
    "seen.copy_unknown": Message(
        "wie lange die Kopie bleibt, ist hier nicht bekannt", "how long the copy is kept is not known here"
    ),
    "seen.blocks": Message("{blocks|Block|Blöcke}", "{blocks|block|blocks}"),
    "seen.block_begins": Message("der älteste beginnt am {oldest_at}", "the oldest begins {oldest_at}"),
    "seen.breaks_from": Message("ab {from_at} verstößt er gegen die Zusage", "from {from_at} on it breaks the promise"),
    "seen.unreadable_blocks": Message(
        "{blocks|Block|Blöcke} ohne lesbare Zeit", "{blocks|block|blocks} without a readable time"
    ),
    "seen.compactor_ran": Message(
        "letzter erfolgreicher Lauf {age_s} alt ({last_at})", "last successful run {age_s} old ({last_at})"
    ),
    "seen.compactor_never": Message(
        "kein Lauf seit dem Start des Prozesses, {age_s} alt ({began_at})",
        "not once since the process began, {age_s} old ({began_at})",
    ),
    "seen.compactor_never_unknown": Message(
        "kein Lauf seit dem Start des Prozesses, und er nennt seinen Start nicht",
        "not once since the process began, and it does not tell when that was",
    ),
    "seen.no_line": Message("keine Zeile innerhalb von {lookback_s}", "no line within {lookback_s}"),
    "seen.oldest_line": Message("älteste Zeile {age_s} alt ({oldest_at})", "oldest line {age_s} old ({oldest_at})"),
    "seen.hidden": Message(
        "max_query_lookback verdeckt alles, was älter ist als {hidden_s}",
        "max_query_lookback hides everything older than {hidden_s}",
    ),
    "seen.chunk_files": Message("{chunks|Chunk-Datei|Chunk-Dateien}", "{chunks|chunk file|chunk files}"),
    "seen.chunks_late": Message("davon {chunks} älter als zugesagt", "{chunks} of them older than promised"),
    "seen.chunk_ends": Message("die älteste endet am {oldest_at}", "the oldest ends {oldest_at}"),
    "seen.other_files": Message(
        "{files|Datei|Dateien} mit einem Namen, wie ihn kein Chunk hat",
        "{files|file|files} that no chunk is named like",
    ),
    "seen.no_silence": Message("keine beendete Stummschaltung", "no silence that is over"),
    "seen.silences": Message(
        "{silences|beendete Stummschaltung|beendete Stummschaltungen}, die früheste {age_s} alt ({oldest_at})",
        "{silences|silence|silences} that ended, the earliest {age_s} old ({oldest_at})",
    ),
    "seen.no_alert": Message("kein Alarm gespeichert", "no alert is kept"),
    "seen.oldest_alert": Message(
        "der älteste Eintrag ist {age_s} alt ({oldest_at})", "the oldest entry is {age_s} old ({oldest_at})"
    ),
    "seen.files": Message("{files|Datei|Dateien}", "{files|file|files}"),
    "seen.file_line": Message(
        "die älteste Zeile {age_s} alt ({oldest_at}) in {name}", "the oldest line {age_s} old ({oldest_at}) in {name}"
    ),
    "seen.file_modified": Message(
        "die älteste Zeile nach der Änderungszeit {age_s} alt ({oldest_at}) in {name}",
        "the oldest line {age_s} old ({oldest_at}) by its modification time in {name}",
    ),
    "seen.files_late": Message(
        "{files|Datei|Dateien} älter als zugesagt: {names}", "{files|file|files} older than promised: {names}"
    ),
    "seen.files_undated": Message(
        "{files|Datei, deren Zeilen|Dateien, deren Zeilen} keine Zeit nennen, nur nach der Änderungszeit "
        "beurteilt: {names}",
        "{files|file|files} whose lines tell no time, judged by modification time only: {names}",
    ),
    "seen.files_unreadable": Message("nicht lesbar: {errors}", "could not be read: {errors}"),
    "seen.no_job": Message(
        "kein aktiver Auftrag von pg_cron nennt eine archivierte Tabelle",
        "no active job of pg_cron names an archived table",
    ),
    "seen.job_missing": Message("diesen Auftrag gibt es nicht", "there is no such job"),
    "seen.job_failed": Message("sein letzter Lauf ist gescheitert", "its last run failed"),
    "seen.job_never_ran": Message("er ist noch nicht gelaufen", "it has not run yet"),
    "seen.job_succeeded": Message("letzter Erfolg vor {age_s} ({last_at})", "last success {age_s} ago ({last_at})"),
    "seen.oldest_run": Message("ältester Lauf {age_s} alt ({oldest_at})", "oldest run {age_s} old ({oldest_at})"),
    "seen.no_row": Message("keine Zeile mit einer Zeit", "no row with a time"),
    "seen.oldest_row": Message("älteste Zeile {age_s} alt ({oldest_at})", "oldest row {age_s} old ({oldest_at})"),
    "seen.anybody": Message("jeder kann ihn lesen", "anybody can read it"),
    "seen.not_public": Message("nicht öffentlich", "not public"),
}
