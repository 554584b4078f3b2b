"""Figures of the site: added up here, written to the bucket, and let go when their time has come."""
