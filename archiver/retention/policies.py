"""What a change of column policies means for what is archived already."""

from archiver.model import PolicyAction, SchemaChanged, TableSchema

Policed = SchemaChanged | TableSchema


def holds_less(written: Policed, asked: Policed) -> tuple[str, ...]:
    """Columns of which rows that were written by one set of policies hold less than another one asks for.

    What was kept serves any policy, since its digest or its network can be made of it; what is dropped today need not
    be held. A digest with another key is another value.
    """
    now = {policy.column: policy.action for policy in asked.policies}
    names = {column.name for column in asked.columns}
    return tuple(
        policy.column
        for policy in written.policies
        if policy.column in names
        and (
            now.get(policy.column) is not policy.action
            or (policy.action is PolicyAction.HMAC and written.privacy_key != asked.privacy_key)
        )
    )
