"""The window. Only this package imports Qt, and it calls only use-cases."""
