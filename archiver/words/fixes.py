"""The words of the next steps that checks of the stack advise."""

from collections.abc import Mapping

from archiver.words.message import Message

FIXES: Mapping[str, Message] = {
    "fix.address": Message("die Adresse prüfen", "see that the address is the right one"),
    "fix.runs": Message(
        "prüfen, ob der Dienst läuft und Adresse und Port von hier erreichbar sind",
        "see that it runs, and that the address and port are reached from here",
    ),
    "fix.tls": Message(
        "die Zertifizierungsstelle nennen (ca_file) oder http und https in der Adresse berichtigen",
        "name the certificate authority (ca_file), or correct http and https in the address",
    ),
    "fix.tenants": Message("die abzufragenden Mandanten nennen", "name the tenants to ask for"),
    "fix.credentials": Message(
        "Benutzername und Passwort oder das Token für die Abfrage angeben",
        "give the user name and password, or the token, to ask with",
    ),
    "fix.behind_redirect": Message(
        "die Adresse hinter der Weiterleitung oder der Anmeldung nennen",
        "name the address behind the redirect or the login",
    ),
    "fix.is_kind": Message("prüfen, ob es {kind} ist und antwortet", "see that it is {kind} and answers"),
    "fix.flags_and_file": Message(
        "Startparameter und Konfigurationsdatei ansehen", "look at its flags and at its configuration file"
    ),
    "fix.update_or_hand": Message("archiver aktualisieren oder von Hand prüfen", "update archiver, or check by hand"),
    "fix.update": Message(
        "archiver aktualisieren: wie diese Version Stummschaltungen behält, ist hier nicht bekannt",
        "how this version keeps silences is not known here: update archiver",
    ),
    "fix.defect": Message(
        "das Genannte berichtigen; liegt es nicht an Ihnen, als Fehler von archiver melden",
        "correct what is named; if it is nothing of yours, report it as a defect of archiver",
    ),
    "fix.name_compose": Message(
        "die Compose-Datei nennen, die Alertmanager startet", "name the compose file that starts Alertmanager"
    ),
    "fix.name_stack_file": Message("die Compose-Datei des Stacks nennen", "name the stack's compose file"),
    "fix.readable": Message(
        "archivers Benutzer das Lesen erlauben oder das Verzeichnis weglassen",
        "let archiver's user read the directory, or leave it out",
    ),
    "fix.readable_file": Message("archivers Benutzer das Lesen erlauben", "let archiver's user read it"),
    "fix.upgrade_prometheus": Message(
        "auf 3.11 oder neuer aktualisieren, oder den Block retention entfernen und dann:",
        "upgrade to 3.11 or newer; or remove the retention block, and then:",
    ),
    "fix.set_in_file": Message(
        "storage.tsdb.retention.time: {value} in der Konfigurationsdatei setzen (ihr Block ersetzt die Startparameter)",
        "set storage.tsdb.retention.time: {value} in the configuration file (its block replaces the flags)",
    ),
    "fix.start_with": Message(
        "mit --storage.tsdb.retention.time={value} starten", "start it with --storage.tsdb.retention.time={value}"
    ),
    "fix.strictest": Message(
        "{value}: dann wird kein Messwert älter als {limit_s}", "{value}: then no sample gets older than {limit_s}"
    ),
    "fix.blocks_go": Message("ältere Blöcke werden dann von selbst gelöscht", "older blocks then go by themselves"),
    "fix.correct_first": Message(
        "zuerst die Frist berichtigen; ein Prometheus, das nichts aufnimmt, löscht nichts: prüfen, ob seine "
        "Ziele laufen; dann nach Blöcken suchen, die in sein Verzeichnis kopiert oder zurückgespielt wurden",
        "correct the retention first; a Prometheus that takes in nothing deletes nothing: see that its "
        "targets are up; then look for blocks that were copied or restored into its directory",
    ),
    "fix.reachable_prometheus": Message(
        "/metrics oder /api/v1/query_range von hier erreichbar machen",
        "make /metrics or /api/v1/query_range reachable from here",
    ),
    "fix.ntp": Message("beide Uhren per NTP stellen", "set both clocks by NTP"),
    "fix.agent": Message(
        "--storage.agent.retention.max-time={value} oder weniger setzen",
        "set --storage.agent.retention.max-time={value} or less",
    ),
    "fix.known_copy": Message(
        "auch die Frist dieser Kopie prüfen und ihren Host bei known_copies nennen, oder remote_write entfernen",
        "check that copy's retention too and name its host among the known copies, or remove the remote_write",
    ),
    "fix.snapshot": Message(
        "eine Momentaufnahme ist eine Kopie ohne Ende: das Verzeichnis löschen",
        "a snapshot is a copy without an end: delete the directory",
    ),
    "fix.blocks": Message(
        "siehe prometheus.retention.setting; von Hand hineinkopierte Blöcke sind von Hand zu löschen",
        "see prometheus.retention.setting; blocks copied in by hand have to be deleted by hand",
    ),
    "fix.enable_retention": Message(
        "compactor.retention_enabled: true setzen (ohne das wird nie etwas gelöscht)",
        "set compactor.retention_enabled: true (without it nothing is ever deleted)",
    ),
    "fix.delete_store": Message(
        "compactor.delete_request_store auf den Namen des Objektspeichers setzen, zum Beispiel filesystem",
        "set compactor.delete_request_store to the object store's name, filesystem for example",
    ),
    "fix.index_period": Message(
        "eine Schemaperiode mit index.period: 24h anhängen (mit keiner anderen löscht der Compactor)",
        "append a schema period with index.period: 24h (the compactor's retention works with no other)",
    ),
    "fix.restart_loki": Message(
        "mit dieser Konfiguration neu starten; hinter einem Proxy /loki/api/v1/delete durchlassen",
        "restart it with this configuration; behind a proxy, let /loki/api/v1/delete through",
    ),
    "fix.loki_lacks": Message(
        "archiver aktualisieren oder von Hand prüfen: Loki {version}, ohne {names}",
        "update archiver, or check by hand: Loki {version}, no {names}",
    ),
    "fix.loki_version": Message(
        "archiver aktualisieren oder von Hand prüfen: Loki {version} ist nicht bekannt",
        "update archiver, or check by hand: Loki {version}, no known version",
    ),
    "fix.loki_period": Message(
        "limits_config.retention_period: {value} setzen und neu starten",
        "set limits_config.retention_period: {value} and restart",
    ),
    "fix.see": Message("siehe {checks}", "see {checks}"),
    "fix.stream": Message(
        "die Ausnahme entfernen oder ihr eine Frist von höchstens {value} geben",
        "remove the override, or give it a period of {value} or less",
    ),
    "fix.tenant": Message(
        "in der Laufzeitkonfiguration retention_period auf höchstens {value} setzen",
        "in the runtime configuration set its retention_period to {value} or less",
    ),
    "fix.compactor": Message(
        "Log und Arbeitsverzeichnis des Compactors ansehen: solange er nicht läuft, wird nichts gelöscht",
        "look at the compactor's log and at its working directory: nothing is deleted until it runs",
    ),
    "fix.compactor_instance": Message(
        "die Instanz fragen, auf der der Compactor läuft", "ask the instance that runs the compactor"
    ),
    "fix.compactor_later": Message(
        "nach dem nächsten Lauf des Compactors noch einmal prüfen", "ask again after the compactor's next run"
    ),
    "fix.lookback": Message(
        "max_query_lookback: 0s setzen oder das Chunk-Verzeichnis nennen",
        "set max_query_lookback: 0s, or give the chunk directory to look into",
    ),
    "fix.chunks_late": Message(
        "siehe loki.compactor.ran; Loki löscht nie Dateien, die sein Index nicht nennt: erst archivieren, dann löschen",
        "see loki.compactor.ran; Loki never deletes files that its index does not name: archive them, then delete",
    ),
    "fix.chunk_directory": Message(
        "prüfen, ob das das Chunk-Verzeichnis ist und was die anderen Dateien sind",
        "see that this is the store's chunk directory, and what the other files are",
    ),
    "fix.alertmanager": Message(
        "mit --data.retention={value} oder weniger starten", "start it with --data.retention={value} or less"
    ),
    "fix.alerts_retention": Message(
        "mit --retention {value} oder weniger starten", "start it with --retention {value} or less"
    ),
    "fix.alerts_late": Message(
        "in seinem Log nachsehen, warum er nichts löscht: mcp_alerts_loop_failures_total, eine volle Platte",
        "see in its log why it deletes nothing: mcp_alerts_loop_failures_total, a full disk",
    ),
    "fix.flag": Message("den Startparameter berichtigen", "correct the flag"),
    "fix.resolved": Message(
        "stattdessen eine Datei mit der Ausgabe von `docker compose config` nennen",
        "name a file with the output of `docker compose config` instead",
    ),
    "fix.set_and_up": Message(
        "{setting} setzen, dann `docker compose up -d {service}`",
        "set {setting}, then `docker compose up -d {service}`",
    ),
    "fix.set_and_recreate": Message(
        "{setting} setzen, dann `docker compose up -d --force-recreate {service}`",
        "set {setting}; then `docker compose up -d --force-recreate {service}`",
    ),
    "fix.recreate": Message(
        "`docker compose up -d --force-recreate {service}`, oder die Datei berichtigen",
        "`docker compose up -d --force-recreate {service}`, or correct the file",
    ),
    "fix.into_file": Message("den Wert in die Datei schreiben", "write the value into the file"),
    "fix.data_retention": Message(
        "--data.retention auf höchstens {value} setzen", "set --data.retention to {value} or less"
    ),
    "fix.logging": Message(
        "logging.driver: json-file mit max-size: 10m und max-file: '3' setzen",
        "set logging.driver: json-file with the options max-size: 10m and max-file: '3'",
    ),
    "fix.logs_late": Message(
        "prüfen, ob alles übertragen wurde, diese Dateien löschen, und siehe logs.rotation",
        "see that everything was shipped, delete these files, and see logs.rotation",
    ),
    "fix.logs_undated": Message(
        "archivers Benutzer das Lesen der Dateien und ihrer Zeiten erlauben oder die Logdateien über Muster nennen",
        "let archiver's user read them and their timestamps, or name the log files by pattern",
    ),
    "fix.name_rotation": Message(
        "die Dateien von logrotate oder die module_conf.json von PM2 nennen",
        "name logrotate's files, or PM2's module_conf.json",
    ),
    "fix.name_pm2": Message(
        "die module_conf.json von PM2 nennen, lesbar für archiver", "name PM2's module_conf.json, readable by archiver"
    ),
    "fix.rotation": Message(
        "logrotate: daily, rotate {rotate}, maxage {maxage}; pm2-logrotate: pm2 set pm2-logrotate:retain {rotate}",
        "logrotate: daily, rotate {rotate}, maxage {maxage}; pm2-logrotate: pm2 set pm2-logrotate:retain {rotate}",
    ),
    "fix.db_url": Message(
        "SUPABASE_DB_URL berichtigen oder archivers Rolle die Verbindung von hier erlauben",
        "correct SUPABASE_DB_URL, or let archiver's role connect from here",
    ),
    "fix.grant_cron": Message(
        "archivers Rolle USAGE auf das Schema cron und SELECT auf cron.job geben; sie braucht auch BYPASSRLS",
        "grant usage on schema cron and select on cron.job to archiver's role, which needs bypassrls as well",
    ),
    "fix.unschedule": Message(
        "stattdessen archiver löschen lassen: select cron.unschedule(...)",
        "let archiver purge instead: select cron.unschedule(...)",
    ),
    "fix.see_job": Message(
        "prüfen, dass er weder löscht noch kopiert; eine Kopie braucht eine eigene Frist",
        "see that it neither deletes nor copies rows; a copy needs a retention of its own",
    ),
    "fix.schedule_jobs": Message(
        "als Eigentümer des Projekts die Migration archiver_watch anwenden, dann select archiver.schedule_jobs()",
        "as the project's owner, apply the migration archiver_watch, then select archiver.schedule_jobs()",
    ),
    "fix.see_runs": Message(
        "als Eigentümer: select status, return_message from cron.job_run_details order by runid desc limit 5",
        "as the owner: select status, return_message from cron.job_run_details order by runid desc limit 5",
    ),
    "fix.trim_log": Message("als Eigentümer: select archiver.trim_log()", "as the owner: select archiver.trim_log()"),
    "fix.purge": Message(
        "`archiver purge` ausführen; `archiver status` nennt, was Zeilen zurückhält",
        "run `archiver purge`; `archiver status` says what holds rows back",
    ),
    "fix.grant_table": Message(
        "Tabelle und Zeitspalte des Datenbestands berichtigen; der Rolle SELECT und BYPASSRLS oder eine Policy geben",
        "correct the dataset's relation and time column; grant select, and bypassrls or a policy, to the role",
    ),
    "fix.set_plan": Message(
        "stack.supabase.plan auf den Tarif des Projekts setzen: {plans}",
        "set stack.supabase.plan to the project's: {plans}",
    ),
    "fix.shorten_recovery": Message(
        "die Wiederherstellung auf einen Zeitpunkt verkürzen oder zusagen, was der Tarif behält",
        "shorten point-in-time recovery, or promise what the plan keeps",
    ),
    "fix.bucket": Message(
        "Bucket-Namen, Endpunkt und Zugangsdaten (AWS_…) berichtigen",
        "correct the bucket's name, the endpoint and the credentials (AWS_…)",
    ),
    "fix.allow_versioning": Message(
        "GetBucketVersioning erlauben oder in der Konsole nachsehen",
        "allow GetBucketVersioning, or look in its console",
    ),
    "fix.allow_lifecycle": Message("GetLifecycleConfiguration erlauben", "allow GetLifecycleConfiguration"),
    "fix.add_rule": Message(
        "eine Lifecycle-Regel anlegen, die alte Objektversionen nach höchstens {days|Tag|Tagen} löscht",
        "add a lifecycle rule that expires noncurrent versions after at most {days|day|days}",
    ),
    "fix.limit_rule": Message(
        "die Regel auf Schlüssel außerhalb des Archivs beschränken oder entfernen; `archiver expire` löscht "
        "rechtzeitig",
        "limit the rule to keys outside of the archive, or remove it; `archiver expire` deletes on time",
    ),
    "fix.shorten_lock": Message(
        "die Standardsperre des Buckets verkürzen; was schon gesperrt ist, bleibt bis zu seinem Datum",
        "shorten the bucket's default lock; what is locked already stays until its date",
    ),
    "fix.block_public": Message(
        "öffentlichen Zugriff am Bucket und am Konto sperren", "block public access at the bucket and the account"
    ),
    "fix.allow_public": Message(
        "GetBucketPolicyStatus und GetPublicAccessBlock erlauben oder in der Konsole nachsehen",
        "allow GetBucketPolicyStatus and GetPublicAccessBlock, or look in its console",
    ),
    "fix.pm2_daily": Message(
        "ein tägliches rotateInterval setzen: 0 0 * * *", "write a daily rotateInterval: 0 0 * * *"
    ),
    "fix.name_readable": Message(
        "die Compose-Datei nennen, lesbar für archiver", "name the compose file, readable by archiver"
    ),
}
