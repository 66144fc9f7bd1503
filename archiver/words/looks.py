"""The words of what checks of the stack were promised, asked and found."""

from collections.abc import Mapping

from archiver.words.message import Message

LOOKS: Mapping[str, Message] = {
    "look.too_large": Message(
        "{path}: die Antwort ist größer als {most_bytes}", "{path}: the answer is larger than {most_bytes}"
    ),
    "look.too_slow": Message(
        "{path}: keine vollständige Antwort innerhalb von {timeout_s}", "{path}: no whole answer within {timeout_s}"
    ),
    "look.no_answer": Message(
        "{path}: nicht erreicht: keine Antwort innerhalb von {timeout_s}",
        "{path}: not reached: no answer within {timeout_s}",
    ),
    "look.not_reached": Message("{path}: nicht erreicht ({error})", "{path}: not reached ({error})"),
    "look.tenants": Message(
        "{path}: {status}: der Dienst hat mehrere Mandanten", "{path}: {status}: it has several tenants"
    ),
    "look.refused": Message("{path}: mit {status} abgelehnt", "{path}: refused with {status}"),
    "look.redirected": Message(
        "{path}: verweist an eine andere Adresse ({status})", "{path}: leads elsewhere ({status})"
    ),
    "look.answered": Message("{path}: Antwort {status}", "{path}: answered {status}"),
    "look.no_json": Message("{path}: die Antwort ist kein JSON", "{path}: the answer is no JSON"),
    "look.no_yaml": Message("{place}: nicht als YAML lesbar", "{place}: cannot be read as YAML"),
    "look.no_yaml_line": Message(
        "{place}: nicht als YAML lesbar, Zeile {line}", "{place}: cannot be read as YAML, line {line}"
    ),
    "look.no_mapping": Message("{place}: enthält keine Zuordnung", "{place}: holds no mapping"),
    "look.no_list": Message("{place}: ist keine Liste", "{place}: is no list"),
    "look.other_server": Message("{path}: keine Antwort von {kind}", "{path}: not the answer of {kind}"),
    "look.no_alert_service": Message(
        "{path}: nicht die Seite des Alarmdienstes", "{path}: not the page of the alert service"
    ),
    "look.no_key": Message("{place}: {key} fehlt", "{place} has no {key}"),
    "look.unreadable": Message("{setting} ist {value} und nicht lesbar", "{setting} is {value}, which cannot be read"),
    "look.no_time": Message("{place}: keine Zeit", "{place}: no time"),
    "look.labels": Message(
        "mehr als {labels} Labels: nicht jeder Stream wurde abgefragt",
        "more than {labels} labels: not every stream was asked for",
    ),
    "look.no_file": Message("{path} ist nicht lesbar ({error})", "{path} cannot be read ({error})"),
    "look.file_too_large": Message("{path} ist größer als {most_bytes}", "{path} is larger than {most_bytes}"),
    "look.check_failed": Message("die Prüfung selbst ist fehlgeschlagen: {error}", "the check itself failed: {error}"),
    "look.no_api": Message("--data.retention nennt keine Schnittstelle", "--data.retention is told by no API"),
    "look.no_alertmanager": Message(
        "die Compose-Datei hat keinen Alertmanager", "the compose file has no Alertmanager"
    ),
    "look.no_service": Message("kein Dienst ist definiert", "no service is defined"),
    "look.not_the_stack": Message(
        "weder Prometheus noch Loki noch Alertmanager unter den Diensten ({names})",
        "no Prometheus, Loki or Alertmanager among its services ({names})",
    ),
    "look.not_mounted": Message(
        "die Konfigurationsdatei ist nicht von einem Pfad dieses Rechners eingebunden",
        "its configuration file is not mounted from a path on this host",
    ),
    "look.from_environment": Message(
        "{setting} kommt aus der Umgebung des Containers", "{setting} is taken from the container's environment"
    ),
    "look.no_rotation_given": Message(
        "keine Konfiguration von logrotate oder pm2-logrotate wurde genannt",
        "no configuration of logrotate or pm2-logrotate was given to look at",
    ),
    "look.version": Message(
        "wie diese Version ihre Einstellungen anwendet, ist hier nicht bekannt",
        "how this version applies its settings is not known here",
    ),
    "look.jobs_hidden": Message(
        "pg_cron hat eine Auftragsliste, und diese Rolle sieht sie nicht ganz",
        "pg_cron has a list of jobs, and this role may not see all of it",
    ),
    "look.plan": Message(
        "wie lange Sicherungen bleiben, folgt aus dem Tarif, den keine Datenbank nennt",
        "how long backups are kept follows from the plan, which no database tells",
    ),
    "look.versioning": Message(
        "der Speicher sagt nicht, ob er alte Objektversionen behält",
        "the store does not tell whether it keeps old versions",
    ),
    "look.lifecycle": Message(
        "der Speicher nennt seine Lifecycle-Regeln nicht", "the store does not tell its lifecycle rules"
    ),
    "look.public": Message(
        "der Speicher sagt nicht, ob er öffentlich ist", "the store does not tell whether it is public"
    ),
    "look.include": Message("{path}: include wird hier nicht verfolgt", "{path}: include is not followed here"),
    "look.override": Message("{path}: compose vermischt sie mit {name}", "{path}: compose merges {name} into it"),
    "look.services": Message(
        "{path}: services oder ein Dienst darin ist keine Zuordnung", "{path}: services, or one of them, is no mapping"
    ),
    "look.service": Message("{path}, Dienst {name}: {why}", "{path}, service {name}: {why}"),
    "look.extends": Message("extends wird hier nicht verfolgt", "extends is not followed here"),
    "look.variable": Message("{setting} enthält eine Variable", "{setting} holds a variable"),
    "look.no_words": Message(
        "{setting} lässt sich nicht in Wörter zerlegen", "its {setting} cannot be split into words"
    ),
    "look.pm2_cron": Message(
        "pm2-logrotate: {setting}: wie oft das ist, wurde nicht verstanden",
        "pm2-logrotate: {setting}: how often that is was not understood",
    ),
    "promise.age": Message("{limit_s}", "{limit_s}"),
    "promise.every_sample": Message("{limit_s} für jeden Messwert", "{limit_s} for every sample"),
    "promise.file_runs": Message("was in der Datei steht, läuft", "what the file says is what runs"),
    "promise.rows_gone": Message(
        "gelöschte Zeilen sind nach {limit_s} überall gelöscht", "deleted rows are gone within {limit_s}"
    ),
    "promise.own_jobs": Message(
        "die Aufträge von archiver in der Datenbank sind da, eingeschaltet und erfolgreich",
        "archiver's jobs in the database are there, active and succeeding",
    ),
    "promise.cron_log": Message("pg_cron behält sein Protokoll {limit_s}", "pg_cron keeps its own log {limit_s}"),
    "promise.objects_gone": Message(
        "Gelöschtes ist nach {limit_s} überall gelöscht", "what is deleted is gone within {limit_s}"
    ),
    "promise.never_purged": Message("Zeilen werden nie aus der Quelle gelöscht", "rows are never purged"),
    "promise.only_archiver_rows": Message(
        "nur archiver löscht und kopiert archivierte Zeilen", "only archiver deletes and copies archived rows"
    ),
    "promise.only_archiver_objects": Message(
        "nur archiver löscht, was seine Protokollkette nennt", "only archiver deletes what its ledger names"
    ),
    "promise.no_backup": Message(
        "eine gelöschte Zeile steht nach {limit_s} in keiner Sicherung", "a deleted row is in no backup after {limit_s}"
    ),
    "promise.segments_go": Message("Objekte des Archivs werden nach {limit_s} gelöscht", "segments go after {limit_s}"),
    "promise.not_public": Message("niemand liest ihn ohne Zugangsdaten", "nobody reads it without credentials"),
    "setting.written": Message("{setting}", "{setting}"),
    "setting.file_block": Message(
        "storage.tsdb.retention in der Konfigurationsdatei: {setting}",
        "storage.tsdb.retention in the configuration file: {setting}",
    ),
    "setting.replaces": Message("ersetzt {setting}", "it replaces {setting}"),
    "setting.default": Message("nicht gesetzt, Vorgabe {value}", "no flag: the default, {value}"),
    "setting.agent": Message(
        "Agent-Modus, --storage.agent.retention.max-time={value}",
        "agent mode, --storage.agent.retention.max-time={value}",
    ),
    "setting.remote_write": Message("remote_write an {host}", "remote_write to {host}"),
    "setting.remote_write_unreadable": Message(
        "remote_write an eine nicht lesbare URL", "remote_write to a URL that cannot be read"
    ),
    "setting.job": Message("Auftrag {name} von pg_cron, {schedule}", "pg_cron job {name}, {schedule}"),
    "setting.plan": Message("Tarif {plan}", "plan {plan}"),
    "setting.plan_unsaid": Message("Tarif nicht angegeben", "plan not said"),
    "setting.daily_backups": Message("tägliche Sicherungen {period_s}", "daily backups {period_s}"),
    "setting.no_backups": Message("keine Sicherungen", "no backups"),
    "setting.recovery": Message(
        "Wiederherstellung auf einen Zeitpunkt {period_s}", "point-in-time recovery {period_s}"
    ),
    "setting.versioning_no_rule": Message(
        "Versionierung ein, keine Regel löscht alte Objektversionen jedes Schlüssels",
        "versioning on, no rule expires old versions of every key",
    ),
    "setting.versioning": Message(
        "Versionierung ein, alte Objektversionen werden nach {period_s} gelöscht",
        "versioning on, old versions expire after {period_s}",
    ),
    "setting.rule": Message("Regel {name} für {prefix}", "rule {name} for {prefix}"),
    "setting.rule_every_key": Message("Regel {name} für jeden Schlüssel", "rule {name} for every key"),
    "setting.lock": Message("Object Lock für {period_s}", "object lock for {period_s}"),
    "setting.output": Message("logging.options.max-size fehlt", "no logging.options.max-size"),
    "setting.logrotate": Message("logrotate {path}: {setting}", "logrotate {path}: {setting}"),
    "setting.logrotate_nothing": Message("logrotate {path}: nichts gesetzt", "logrotate {path}: nothing set"),
    "setting.pm2": Message("pm2-logrotate: {setting}", "pm2-logrotate: {setting}"),
    "setting.pm2_missing": Message(
        "{path}: pm2-logrotate ist nicht installiert", "{path}: pm2-logrotate is not installed"
    ),
    "setting.nothing_rotates": Message("nichts rotiert die Logs", "nothing rotates it"),
    "setting.no_number": Message("keine Zahl", "not a number"),
    "setting.by_size": Message(
        "nach Größe rotiert, ein stilles Log bleibt also unbegrenzt",
        "rotated by size, so a quiet log is kept without a limit in time",
    ),
    "setting.never_deleted": Message("alte Dateien werden nie gelöscht", "old files are never deleted"),
    "setting.pm2_file": Message("{period_s} je Datei", "{period_s} a file"),
}
