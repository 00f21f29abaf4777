"""Operations of people and Apps. Each changes the world and sends webhooks."""
