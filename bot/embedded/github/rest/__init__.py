"""The REST API below /api/v3."""
