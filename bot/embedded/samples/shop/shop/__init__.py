"""A small shop: a web server, its catalogue, the seed of the catalogue and a smoke test."""
