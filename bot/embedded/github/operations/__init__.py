"""What people and Apps can do here. Each operation changes the world and tells the webhook."""
