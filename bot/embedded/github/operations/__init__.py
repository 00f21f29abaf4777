"""Operations of users and Apps. Each changes the world and sends webhooks."""
