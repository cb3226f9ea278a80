"""Reasons for not reusing a subexpression that is eligible: REUSE-2xx to 5xx."""

from __future__ import annotations

from signatures.model import Reason


def version_unknown(identity: str) -> Reason:
    """REUSE-201."""
    return Reason(code="REUSE-201", text=f"the version of {identity} cannot be told now")


def version_changed(identity: str) -> Reason:
    """REUSE-202."""
    return Reason(code="REUSE-202", text=f"{identity} has changed since the view was built")


def no_view() -> Reason:
    """REUSE-301."""
    return Reason(code="REUSE-301", text="no view of it exists and none is asked for")


def different_plan() -> Reason:
    """REUSE-302."""
    return Reason(
        code="REUSE-302", text="a view has the same signature but another canonical plan: a hash collision"
    )


def missing_columns(keys: frozenset[str]) -> Reason:
    """REUSE-303."""
    return Reason(
        code="REUSE-303",
        text=f"the view lacks {len(keys)} needed columns",
        detail=", ".join(sorted(keys)),
    )


def no_place() -> Reason:
    """REUSE-304."""
    return Reason(code="REUSE-304", text="its place in the text is not clear enough to edit")


def not_verified() -> Reason:
    """REUSE-305."""
    return Reason(
        code="REUSE-305", text="the edited statement, bound again, is not the original: the original runs"
    )


def other_shape(difference: str) -> Reason:
    """REUSE-306."""
    return Reason(code="REUSE-306", text=f"the edited statement returns another shape: {difference}")


def inside_another() -> Reason:
    """REUSE-307."""
    return Reason(code="REUSE-307", text="a larger subexpression around it is replaced")


def with_parameters() -> Reason:
    """REUSE-308."""
    return Reason(code="REUSE-308", text="parts of statements with parameters are not taken apart")


def other_query() -> Reason:
    """REUSE-309."""
    return Reason(
        code="REUSE-309",
        text="its part of the text, bound by itself, is another computation: it is not built",
    )


def read_too_expensive(read_seconds: float, compute_seconds: float) -> Reason:
    """REUSE-401."""
    return Reason(
        code="REUSE-401",
        text=f"reading the view takes {read_seconds:.4f} s, computing it {compute_seconds:.4f} s",
    )


def too_many_rows(rows: int, limit: int) -> Reason:
    """REUSE-402."""
    return Reason(code="REUSE-402", text=f"the view has {rows} rows, the policy allows {limit}")


def kind_not_enabled(kind: str) -> Reason:
    """REUSE-501."""
    return Reason(code="REUSE-501", text=f"the policy does not reuse subexpressions of kind {kind}")


def reading_off() -> Reason:
    """REUSE-502."""
    return Reason(code="REUSE-502", text="the policy does not read views")


def lease_held() -> Reason:
    """REUSE-503."""
    return Reason(code="REUSE-503", text="another job is building the view now")


def build_limit(limit: int) -> Reason:
    """REUSE-504."""
    return Reason(code="REUSE-504", text=f"the policy lets one job build {limit} views at most")


def in_transaction() -> Reason:
    """REUSE-505."""
    return Reason(code="REUSE-505", text="an explicit transaction is open")


def too_short() -> Reason:
    """REUSE-405."""
    return Reason(code="REUSE-405", text="its last run was too short to be worth a look")


def quarantined() -> Reason:
    """REUSE-508."""
    return Reason(
        code="REUSE-508", text="a view of it gave wrong rows: quarantined until a person deletes that view"
    )


def reuse_off() -> Reason:
    """REUSE-507."""
    return Reason(code="REUSE-507", text="reuse is off")


def types_not_kept(type_name: str) -> Reason:
    """REUSE-114."""
    return Reason(code="REUSE-114", text=f"values of type {type_name} do not survive a view exactly")


def spool_failed(error: str, message: str) -> Reason:
    """REUSE-506: the error's name, and its message, which may hold values."""
    return Reason(code="REUSE-506", text=f"writing the view failed: {error}", detail=message)


def inputs_changed_meanwhile() -> Reason:
    """REUSE-203."""
    return Reason(code="REUSE-203", text="an input changed while the view was being written")


def too_many_bytes(size_bytes: int, limit: int) -> Reason:
    """REUSE-403."""
    return Reason(code="REUSE-403", text=f"the view has {size_bytes} bytes, the policy allows {limit}")


def not_worth_waiting(remaining_seconds: float, saving_seconds: float) -> Reason:
    """REUSE-511."""
    return Reason(
        code="REUSE-511",
        text=f"another job is building the view: waiting {remaining_seconds:.3f} s for it "
        f"would save {saving_seconds:.3f} s",
    )


def waited_in_vain(seconds: float) -> Reason:
    """REUSE-512."""
    return Reason(
        code="REUSE-512", text=f"another job is building the view and was not done after {seconds:.3f} s"
    )


def files_gone() -> Reason:
    """REUSE-513: the view is forgotten, so that it can be built again."""
    return Reason(code="REUSE-513", text="the files of the view are gone: it is forgotten")


def files_damaged() -> Reason:
    """REUSE-514: the view becomes suspect."""
    return Reason(code="REUSE-514", text="the files of the view are not what was written: it is suspect")


def build_failed_before(seconds: float) -> Reason:
    """REUSE-515."""
    return Reason(
        code="REUSE-515", text=f"writing it failed a moment ago: it is tried again in {seconds:.0f} s"
    )


READERS_GOT_SLOWER = "REUSE-404"


def readers_got_slower(seconds: float) -> Reason:
    """REUSE-404: the view is withdrawn."""
    return Reason(code=READERS_GOT_SLOWER, text=f"its readers got slower by {seconds:.4f} s on average")
