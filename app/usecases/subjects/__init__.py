"""What a rollout brings: a model, a configuration or a program, each in its own way and all by one plan."""
