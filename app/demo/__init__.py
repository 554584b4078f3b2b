"""The whole loop on one machine, with real boxes, real training and a line that really changes."""
