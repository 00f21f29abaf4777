"""Kustomize and Helm: their own programs, run with limits on the files of one commit."""
