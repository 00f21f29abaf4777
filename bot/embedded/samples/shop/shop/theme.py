"""The theme of the shop. A designer changes this file and nothing else."""

VERSION = "1.0"
NAME = "Acme Goods"
TAGLINE = "Useful things for a bright spring"
ACCENT = "#0f766e"
