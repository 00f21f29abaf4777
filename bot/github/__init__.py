"""What the bot asks of GitHub and says on it. The only room that speaks through githubkit."""
