"""Everything that Lineside can do, one file a topic. The window and the command line call only these."""
