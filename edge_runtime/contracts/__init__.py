"""What the three programs say to each other: rows, the bundle's manifest, box status, errors, the wire format."""
