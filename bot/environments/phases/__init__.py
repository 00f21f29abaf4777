"""One module per phase of a reconcile; `Phase` lists them in order."""
