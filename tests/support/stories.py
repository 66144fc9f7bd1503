"""How state machines are played: the same few stories each time, or very many at random."""

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

EXAMPLES = 20


def play(machine: type[RuleBasedStateMachine], *, steps: int, examples: int | None) -> None:
    """Play a machine's stories of at most so many steps.

    Args:
        examples: So many at random; None: the same ``EXAMPLES`` each time.
    """
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples or EXAMPLES,
            stateful_step_count=steps,
            derandomize=not examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            # A story that went wrong is made shorter only where somebody waits for it: that takes minutes.
            phases=tuple(Phase) if examples else (Phase.generate,),
        ),
    )
