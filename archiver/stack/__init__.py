"""What a deployed stack says about its retention: configured, in force, and observed.

``check.check_stack`` looks at all targets. Each part has an ``ask`` (questions, no verdict) and a ``judge`` (verdicts,
pure but for files), so that a recorded answer is judged like a live one.
"""
