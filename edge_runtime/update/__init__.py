"""How a new model gets onto a box: verify, probe in a sandbox, try on the line, commit or roll back."""
