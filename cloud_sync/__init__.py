"""Between desktops, the bucket and the GPU: objects, journal, bursts, recipes, releases."""
