"""What the embedded GitHub remembers, and the git objects behind it."""
