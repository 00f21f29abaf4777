"""Pure checks of manifests before any write.

An allow-list of kinds, and for each kind the fields that would reach outside of the environment. Each
refusal names file, line, object, field and reason.
"""
