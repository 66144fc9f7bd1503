"""What hides persons: keyed digests of their identifiers, and what is done to columns before anything is written."""

from archiver.privacy.addresses import truncated
from archiver.privacy.columns import Form, archived_schema, digested, in_form, unlike_form, unread_columns
from archiver.privacy.key import KEY_BYTES, PrivacyKey

__all__ = [
    "KEY_BYTES",
    "Form",
    "PrivacyKey",
    "archived_schema",
    "digested",
    "in_form",
    "truncated",
    "unlike_form",
    "unread_columns",
]
