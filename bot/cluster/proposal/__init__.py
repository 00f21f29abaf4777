"""Proposes a `.greenroom.yml` for the files of a checkout. Pure."""
