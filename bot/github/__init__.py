"""GitHub: client, resources, reporter and messages. The only package that imports githubkit."""
