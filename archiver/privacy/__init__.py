"""What hides persons: keyed digests of their identifiers, and what is done to columns before anything is written."""
