"""The audit report and the record of processing: values first, then renderers. Reads nothing but what it is given.

- ``period``: what a report is about
- ``gathering``, ``nights``, ``facts``: what the ledger says of a period; a fold
- ``assess``: the verdict, what needs a person, what changed
- ``build``: entries to a report
- ``document``: a report in words, as sections, tables and charts; ``catalogue`` has the words
- ``html``, ``pdf``, ``data`` (JSON and CSV), ``summary``: the document or the report as bytes
- ``vvt``: the record of processing activities

The same entries give the same bytes: nothing here reads a clock, a file of this machine or a locale.
"""
