"""Webhooks: payloads and deliveries."""
