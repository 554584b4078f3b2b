"""What people carry from desktop to desktop: a folder store that says whose it is."""
