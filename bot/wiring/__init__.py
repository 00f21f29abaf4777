"""Opens the clients and builds the handlers of the work queue."""
