"""The web application: webhook endpoint, pages, health and metrics."""
