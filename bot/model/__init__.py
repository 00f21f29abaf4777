"""The words of the project as frozen values: no I/O, no frameworks, no imports from another room."""
