"""Column policies: what is done to a column before anything is written. Pure, in Arrow.

``drop`` leaves the column out, and it is not even read. ``hmac`` writes the keyed digest of each value's text form, the
one that a hold on a person keeps. ``truncate_ip`` writes an address without its end (``addresses``). NULL stays NULL.

The time and the key stay as they are: windows, order, comparison and deletion rest on them. A column that names a
person stays as it is or as its digest: a hold must find its rows.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from archiver.errors import ConfigError
from archiver.model import Column, ColumnPolicy, Dataset, PolicyAction, TableSchema
from archiver.privacy.addresses import truncated
from archiver.privacy.key import PrivacyKey

DIGESTED_TYPES = ("string", "int16", "int32", "int64")
"""Types with one text form. Others are measures and times, which identify nobody by themselves: drop them."""

ADDRESS_TYPE = re.compile(r"(inet|cidr|text|citext|name|character( varying)?|varchar|bpchar)(\(\d+\))?(\[\])*")

_DIGEST = "^[0-9a-f]{64}$"

_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_PLAIN_IPV4 = rf"^{_BYTE}(\.{_BYTE}){{3}}(/32)?$"
"""RE2. Nearly every address of a log: Arrow truncates these by itself, some fifty times faster than ``truncated``."""


@dataclass(frozen=True, slots=True)
class Form:
    """How values of a column are written: the action, and for digests the fingerprint of their key."""

    action: PolicyAction = PolicyAction.KEEP
    privacy_key: str = ""


def archived_schema(dataset: Dataset, schema: TableSchema, key: PrivacyKey | None) -> TableSchema:
    """The columns that the archive gets of a relation.

    Args:
        schema: As the source has it.

    Raises:
        ConfigError: A policy names a column that is not there, or cannot work on it; or digests need a key.
    """
    for name, action in dataset.policies.items():
        _check(dataset, schema, name, action)
    policies = tuple(
        ColumnPolicy(column=name, action=action)
        for name, action in sorted(dataset.policies.items())
        if action is not PolicyAction.KEEP
    )
    if not policies:
        return schema
    actions = {policy.column: policy.action for policy in policies}
    has_digests = PolicyAction.HMAC in actions.values()
    if has_digests and key is None:
        raise ConfigError(
            f"dataset {dataset.name}: datasets.{dataset.name}.columns asks for hmac, and no privacy_key_file is set;"
            " nothing was read",
            hint="`archiver init` makes the key and writes the setting",
        )
    columns = tuple(
        column if column.name not in actions else replace(column, archive_type="string")
        for column in schema.columns
        if actions.get(column.name) is not PolicyAction.DROP
    )
    return replace(
        schema,
        columns=columns,
        policies=policies,
        privacy_key=key.fingerprint if has_digests and key is not None else "",
    )


def unread_columns(schema: TableSchema, archived: TableSchema) -> TableSchema:
    """The source's columns without those that are dropped: they need not leave it."""
    dropped = {policy.column for policy in archived.policies if policy.action is PolicyAction.DROP}
    return replace(schema, columns=tuple(column for column in schema.columns if column.name not in dropped))


def in_form(column: pa.Array, action: PolicyAction, key: PrivacyKey | None) -> pa.Array:
    """Values as they are in the source, as they are written."""
    if action is PolicyAction.KEEP:
        return column
    if action is PolicyAction.HMAC:
        assert key is not None
        return digested(column, key.digest)
    assert action is PolicyAction.TRUNCATE_IP
    coded = column.dictionary_encode()
    values = coded.dictionary
    is_other = pc.invert(pc.match_substring_regex(values, _PLAIN_IPV4))
    short = pc.replace_substring_regex(values, r"\.[0-9]+(/32)?$", ".0/24")
    others = pa.array([truncated(value) for value in values.filter(is_other).to_pylist()], pa.string())
    return pc.replace_with_mask(short, is_other, others).take(coded.indices)


def digested(column: pa.Array, digest: Callable[[str], str]) -> pa.Array:
    """The keyed digest of each value's text form."""
    return _by_value(column.cast(pa.string()), digest)


def unlike_form(column: pa.Array, action: PolicyAction) -> bool:
    """Whether a written column holds a value that its policy cannot have left."""
    if action is PolicyAction.HMAC:
        return pc.any(pc.invert(pc.match_substring_regex(column, _DIGEST))).as_py() is True
    if action is PolicyAction.TRUNCATE_IP:
        return any(value is not None and truncated(value) != value for value in column.unique().to_pylist())
    return False


def _by_value(column: pa.Array, convert: Callable[[str], str]) -> pa.Array:
    # Each distinct value once: a day has far fewer persons and addresses than rows.
    coded = column.dictionary_encode()
    return pa.array([convert(value) for value in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


def _check(dataset: Dataset, schema: TableSchema, name: str, action: PolicyAction) -> None:
    setting = f"datasets.{dataset.name}.columns"
    column = schema.column(name)
    if column is None:
        raise ConfigError(
            f"dataset {dataset.name}: {setting} names the column {name}, which the relation does not have; nothing was"
            " read",
            hint=f"its columns: {', '.join(column.name for column in schema.columns)}",
        )
    why = _refusal(column, action, schema, dataset.subject_columns)
    if why:
        raise ConfigError(
            f"dataset {dataset.name}: {setting} asks for {action} on the column {name} ({column.source_type}), {why};"
            " nothing was read",
            hint=f"correct {setting}",
        )


def _refusal(column: Column, action: PolicyAction, schema: TableSchema, subjects: Sequence[str]) -> str:
    if action is PolicyAction.KEEP:
        return ""
    if column.name == schema.time_column or column.name in schema.key_columns or column.name in subjects:
        return _role_refusal(column, action, schema)
    return _type_refusal(column, action)


def _role_refusal(column: Column, action: PolicyAction, schema: TableSchema) -> str:
    if column.name == schema.time_column:
        return "which is the time column: windows and retention rest on it"
    if column.name in schema.key_columns:
        return "which is part of the key: without it no row could be proven, and none would ever be deleted"
    if action is not PolicyAction.HMAC:
        return "which names a person (subject_columns): a hold on that person would not find the rows; hmac would do"
    return _type_refusal(column, action)


def _type_refusal(column: Column, action: PolicyAction) -> str:
    if action is PolicyAction.HMAC and column.archive_type not in DIGESTED_TYPES:
        return "whose values have no one text form to digest; drop would do"
    if action is PolicyAction.TRUNCATE_IP and not (
        column.archive_type == "string" and ADDRESS_TYPE.fullmatch(column.source_type)
    ):
        return "which holds no addresses: it is neither inet nor text"
    return ""
