"""Pure checks of manifests before any write.

An allow-list of kinds, and a decision on each field of each kind: it is allowed, removed with a note, or
refused. Each refusal names file, line, object, field and reason.
"""
