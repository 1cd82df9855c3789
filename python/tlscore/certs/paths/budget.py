"""What one verification may still cost. When it is used up the verification ends, whatever it was doing.

A peer may send certificates that issue each other, so that the number of paths grows exponentially; and it chooses how
many names and constraints there are to compare. Every candidate, signature and comparison is paid for in advance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlscore.certs.policy import Budgets


class BudgetSpent(Exception):
    """A verification cost more than it may."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Budget:
    """Counters of one verification."""

    __slots__ = ("comparisons", "limits", "signatures", "steps")

    def __init__(self, limits: Budgets) -> None:
        self.limits = limits
        self.steps = limits.steps
        self.signatures = limits.signatures
        self.comparisons = limits.name_comparisons

    def step(self, cost: int) -> None:
        """Pay for work; one step is about 0.2 microseconds."""
        self.steps -= cost
        if self.steps < 0:
            raise BudgetSpent(f"more than {self.limits.steps} steps")

    def signature(self, cost: int) -> None:
        """Pay for one signature check that costs as much as so many steps."""
        self.signatures -= 1
        if self.signatures < 0:
            raise BudgetSpent(f"more than {self.limits.signatures} signature checks")
        self.step(cost)

    def compare(self, count: int) -> None:
        """Pay for comparisons of names with constraints."""
        self.comparisons -= count
        if self.comparisons < 0:
            raise BudgetSpent(f"more than {self.limits.name_comparisons} comparisons of names with name constraints")
