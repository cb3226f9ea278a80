"""Puts a session together from settings: metastore, store, policy, recorder."""

from __future__ import annotations

import warnings
from functools import partial

from metastore.errors import BadUrl, MetastoreError
from metastore.memory import MemoryMetastore
from metastore.opening import metastore_to_come, open_metastore
from metastore.ports import Metastore
from optimizer_plugin import policies
from optimizer_plugin.engines.ports import Engine
from optimizer_plugin.errors import ConfigurationError, MetastoreUnavailableError, ReuseError
from optimizer_plugin.recording import Recorder
from optimizer_plugin.session import Session
from optimizer_plugin.settings import Settings
from optimizer_plugin.templates import Templates
from optimizer_plugin.verifying import Verifier
from optimizer_plugin.views.building import Builder
from optimizer_plugin.views.store import Store


class AbsentMetastore(MemoryMetastore):
    """Stands in for an embedded server that does not start: nobody would ever find its views again."""


def in_our_words(error: MetastoreError) -> ReuseError:
    """A metastore's error as one of ours: its message names the remedy already."""
    found, _, remedy = str(error).rpartition("; ")
    if isinstance(error, BadUrl):
        return ConfigurationError(str(error), remedy="correct the argument metastore or RESPOOL_METASTORE")
    return MetastoreUnavailableError(found or remedy, remedy=remedy if found else "")


def opened_metastore(settings: Settings) -> Metastore:
    """The metastore of the settings.

    Where it does not answer, a program must not stop: its statements run without reuse, a warning says so,
    and reuse begins by itself once a server answers. With ``strict`` that is an error.

    Raises:
        ConfigurationError: where the URL names no metastore.
        MetastoreUnavailableError: where it does not answer or is a later release's, with ``strict``.
    """
    try:
        return open_metastore(settings.metastore, data_directory=settings.data_directory)
    except BadUrl as error:
        raise in_our_words(error) from error
    except MetastoreError as error:
        problem = in_our_words(error)
        if settings.strict:
            raise problem from error
        warnings.warn(f"respool: {problem}; queries run without reuse", RuntimeWarning, stacklevel=4)
        return AbsentMetastore() if settings.metastore is None else metastore_to_come(settings.metastore)


def policy_in_force(settings: Settings, metastore: Metastore) -> policies.Policy:
    """The policy asked for, else the tenant's own, else the built-in default."""
    if settings.policy is not None:
        return settings.policy
    kept = metastore.current_policy(settings.tenant)
    if kept is None:
        return policies.builtin("default")
    return policies.parse(kept.body, source=f"policy version {kept.version} of tenant {settings.tenant!r}")


def prepare_store(settings: Settings) -> None:
    """Make the store, before anything is opened.

    Raises:
        StoreUnwritableError: where views can't be written.
    """
    Store(settings.store_directory, settings.tenant).prepare()


def new_session(engine: Engine, metastore: Metastore, settings: Settings) -> Session:
    """A session over an engine. Where the metastore does not answer now, its policy comes later.

    Raises:
        PolicyError: where the tenant's policy in the metastore is not valid.
        MetastoreError: where the metastore does not answer, with ``strict``.
    """
    to_come = False
    try:
        policy = policy_in_force(settings, metastore)
    except MetastoreError:
        if settings.strict:
            raise
        policy, to_come = policies.builtin("default"), True
    store = Store(settings.store_directory, settings.tenant)
    return Session(
        engine=engine,
        metastore=metastore,
        builder=Builder(engine, metastore, store, policy, settings.tenant),
        recorder=Recorder(metastore, settings.tenant),
        templates=Templates(engine.dialect, frozenset(policy.kinds.enabled)),
        verifier=Verifier(engine, metastore, settings.tenant),
        policy=policy,
        tenant=settings.tenant,
        strict=settings.strict,
        enabled=policy.name != "off" and not isinstance(metastore, AbsentMetastore),
        policy_to_come=partial(policy_in_force, settings, metastore) if to_come else None,
    )
