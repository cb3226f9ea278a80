"""Bounded staleness: which version of an input the policy lets a job go by for a while after it changed.

Off by default, and only for inputs that the policy names. A connection remembers the last version that it
knew an input to have, and when. After a change, whole results of that version may be read until the
policy's time is over, counted from the last moment at which the version was known to be current. Nothing is
built of it, parts of statements are never read (they would mix two moments with the tables beside
them), and what the connection itself has written counts at once.

Source: design, section 5 (input versions).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from metastore.records import View
from optimizer_plugin.engines.ports import Parameters
from optimizer_plugin.policies import Policy, StalenessPolicy
from optimizer_plugin.templates import Template
from optimizer_plugin.views.offers import decision_policy, offered
from rewriter.matching import decide
from rewriter.model import Decision
from signatures.model import InputIdentity, InputVersion, PreciseSignature


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A version, and the last moment at which it was known to be the current one."""

    version: InputVersion
    at_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerated:
    """Versions to go by: the current ones, but for ``ages``.

    Attributes:
        versions: By input, the tolerated ones among them.
        ages: Of each input that goes by an older version, seconds since that was known to be current.
    """

    versions: Mapping[InputIdentity, InputVersion | None]
    ages: Mapping[InputIdentity, float]

    def note(self, policy: StalenessPolicy) -> str:
        """What ``explain`` and reports say of it."""
        parts = [
            f"{identity} as it was {age:.1f} s ago (the policy allows {policy.allowed_seconds(identity):g} s)"
            for identity, age in self.ages.items()
        ]
        return f"bounded staleness: {'; '.join(parts)}"


@dataclass(slots=True)
class Staleness:
    """What one connection knows of the inputs that its policy names."""

    clock: Callable[[], float] = time.monotonic
    _known: dict[InputIdentity, Known] = field(default_factory=dict)

    def tolerated(
        self,
        versions: Mapping[InputIdentity, InputVersion | None],
        policy: StalenessPolicy,
        asked_at_seconds: float,
    ) -> Tolerated | None:
        """What the policy lets a job go by; None where that is the current versions.

        Args:
            versions: The current ones, None where they cannot be told.
            policy: Which inputs it names, and for how long.
            asked_at_seconds: By the same clock, when they were asked for.
        """
        chosen = dict(versions)
        ages: dict[InputIdentity, float] = {}
        for identity, current in versions.items():
            allowed = policy.allowed_seconds(identity)
            if not allowed:
                continue
            known = self._known.get(identity)
            age = 0.0 if known is None else self.clock() - known.at_seconds
            if known is not None and current != known.version and age <= allowed:
                chosen[identity], ages[identity] = known.version, age
            elif current is not None:
                self._known[identity] = Known(version=current, at_seconds=asked_at_seconds)
        return Tolerated(versions=chosen, ages=ages) if ages else None

    def forget(self) -> None:
        """The connection has written something: it goes by current versions from now on."""
        self._known.clear()


def whole_read(
    template: Template,
    stale: Tolerated,
    environment: str,
    parameters: Parameters,
    views: Mapping[PreciseSignature, View],
    policy: Policy,
) -> Decision:
    """Which view of tolerated versions answers the whole statement; without reads where none does."""
    statement = template.compiled.statement
    if statement is None:
        return Decision()
    whole = template.compiled.subexpressions[statement]
    signature = template.precise(whole, stale.versions, environment, parameters)
    if not isinstance(signature, str) or signature not in views:
        return Decision()
    return decide(
        template.compiled,
        {statement: signature},
        {identity: version for identity, version in stale.versions.items() if version is not None},
        {signature: offered(views[signature])},
        {},
        decision_policy(policy, statement_on_sight=False),
    )
