"""The records of the embedded GitHub and its git objects."""
