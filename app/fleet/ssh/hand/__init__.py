"""What is done on a machine that becomes a box, or is one no more.

These modules are sent over SSH as text and run from memory by the machine's own Python 3.11 or newer, which has nothing
of ours: they import the standard library and each other. One request comes in as JSON, one answer goes out. Each deed
looks first, changes only what is not yet so, and says whether it changed anything.
"""
