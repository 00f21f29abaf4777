"""Checks of the project itself: its language, its layout, its documentation and its import rules."""
