"""Data in versions, and recurring statements whose results say which version they are of."""

from __future__ import annotations

from pathlib import Path

import duckdb
import xxhash

ROWS = 50_000
Rows = list[tuple[object, ...]]

_TEMPLATES = (
    "SELECT shop, sum(amount) AS total FROM orders WHERE amount > {n} GROUP BY shop",
    "SELECT region, count(*) AS n FROM orders o JOIN shops s ON s.id = shop WHERE amount < {n} GROUP BY 1",
    "SELECT max(amount) AS most, min(amount) AS least FROM orders WHERE shop = {n} % 20",
    "SELECT region, avg(amount) AS m FROM orders o, shops s WHERE shop = s.id AND o.id % 99 = {n} GROUP BY 1",
    "SELECT id, amount FROM orders WHERE id % 1000 = {n} ORDER BY amount DESC, id LIMIT 20",
    "SELECT count(DISTINCT amount) AS amounts FROM orders WHERE shop <> {n}",
    "SELECT shop, amount, count(*) AS n FROM orders WHERE amount BETWEEN {n} AND {n} + 5 GROUP BY ALL",
    "SELECT sum(CASE WHEN amount > {n} THEN amount ELSE 0 END) AS large FROM orders",
)


def statements(count: int) -> tuple[str, ...]:
    """So many different statements."""
    return tuple(_TEMPLATES[at % len(_TEMPLATES)].format(n=at // len(_TEMPLATES)) for at in range(count))


def dated(statement: str) -> str:
    """The statement with the version of the data beside every row of its result."""
    return (
        f"SELECT q.*, v.oldest, v.newest FROM ({statement}) AS q, "
        "(SELECT min(version) AS oldest, max(version) AS newest FROM orders) AS v"
    )


class Versions:
    """The folder of the data: the current file, and a copy of every version."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def current(self) -> Path:
        """The file that everybody reads."""
        return self.directory / "orders.parquet"

    def kept(self, version: int) -> Path:
        """The copy of a version, which never changes."""
        return self.directory / f"orders-{version}.parquet"

    def write(self, version: int) -> None:
        """Put a version in the place of the one before, in one step."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as connection:
            connection.execute(
                "COPY (SELECT range AS id, range % 20 AS shop, "
                f"(range * 7919 + {version} * 31) % 1000 AS amount, {version} AS version "
                f"FROM range({ROWS + version})) TO '{self.kept(version)}' (FORMAT parquet)"
            )
        link = self.directory / f"orders-{version}.link"
        link.hardlink_to(self.kept(version))
        link.rename(self.current)

    def connect(self, version: int | None = None) -> duckdb.DuckDBPyConnection:
        """A plain connection to the current file, or to a version's."""
        file = self.current if version is None else self.kept(version)
        connection = duckdb.connect(config={"threads": 1})
        connection.execute(f"CREATE VIEW orders AS SELECT * FROM read_parquet('{file}')")
        connection.execute(
            "CREATE TABLE shops AS SELECT range AS id, 'region ' || range % 4 AS region FROM range(20)"
        )
        return connection


def digest(rows: Rows) -> str:
    """Of the rows as a multiset."""
    return xxhash.xxh3_128_hexdigest("\n".join(sorted(map(repr, rows))).encode())
