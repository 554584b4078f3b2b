"""The journal: what one desktop changed, as segments in the object store that the others merge."""
