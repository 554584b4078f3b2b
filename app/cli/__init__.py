"""The command line: the same use-cases as the window, as tables for people or JSON for programs."""
