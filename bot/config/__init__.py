"""`.greenroom.yml`: its schema, its loader with line numbers, durations and patterns."""
