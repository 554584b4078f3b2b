"""One module a topic of the left rail."""
