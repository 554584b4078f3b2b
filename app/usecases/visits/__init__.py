"""Visits: what to bring, a sealed pack of it, a signed chain of what was found and done, and its report."""
