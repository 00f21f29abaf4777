"""The project's vocabulary as frozen values: no I/O, no framework, no imports of other packages."""
