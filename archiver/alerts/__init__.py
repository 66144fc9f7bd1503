"""The alert service: an inbox for what Alertmanager tells, with history, acknowledgements and a tongue (MCP).

A process of its own. Nothing but ``archiver.cli.alerts`` imports this package, and ``mcp``, ``uvicorn`` and ``apprise``
(the extra ``alerts``) are imported by ``server``, ``tools`` and ``channels`` only: a nightly run pays for none of it.
"""
