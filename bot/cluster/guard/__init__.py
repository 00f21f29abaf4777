"""What manifests may contain: pure checks before any write.

An allow-list of kinds, and for each kind the fields that would reach outside of the environment. What is
refused is told with file, line, object, field and a reason.
"""
