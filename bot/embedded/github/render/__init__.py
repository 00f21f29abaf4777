"""Records as the JSON that GitHub sends, in REST answers and in webhooks alike."""
