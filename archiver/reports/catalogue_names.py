"""The names of steps, checks and policies, and the texts of the record of processing."""

from collections.abc import Mapping

from archiver.words import Message

NAMES: Mapping[str, Message] = {
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
    "check.supabase.cron": Message("Supabase: die eigenen Aufträge von archiver", "Supabase: archiver's own jobs"),
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
