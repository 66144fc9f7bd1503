"""What a person sees of an archive that begins. Decides nothing."""

from archiver.app.init import Begun
from archiver.cli.views.console import Output, show
from archiver.contracts import StoreFacts


@show.register
def _begun(outcome: Begun, output: Output) -> None:
    receipt = outcome.receipt
    for key in outcome.made:
        output.answer(f"{key.what}: {key.path} (mode 0600). Keep a copy: {key.why}.")
    output.answer(f"archive {receipt.descriptor.archive_id} {'is there already' if receipt.adopted else 'begun'}")
    output.answer(f"public key {receipt.descriptor.public_key}")
    for line in _facts(receipt.facts):
        output.answer(f"  {line}")
    if outcome.written is not None:
        output.answer(f"configuration: {outcome.written}")
        output.answer("next: `archiver export --dry-run`, then `archiver export`")


def _facts(facts: StoreFacts) -> list[str]:
    def known(value: bool | None, yes: str, no: str) -> str:
        return "not told by the store" if value is None else (yes if value else no)

    return [
        "create only if absent: "
        + ("yes, the store orders writers" if facts.conditional_create else "NO, the anchor orders writers"),
        "old versions: " + known(facts.versioning, "kept (deleting removes every version)", "not kept"),
        "object lock: " + known(facts.object_lock, "on", "off"),
        "encryption at rest: " + ("not told by the store" if facts.encryption is None else facts.encryption or "none"),
        "public access: " + known(facts.public, "YES, anybody can read it", "no"),
    ]
