"""What the server does on its own: collecting garbage and emptying namespaces."""
