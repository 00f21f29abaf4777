"""One module per phase of a reconcile; `phase_runner.PHASES` lists them in order."""
