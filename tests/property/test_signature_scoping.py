"""Tricky names: a statement, and fully qualified ones that may mean the same. DuckDB says which does."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from signatures.compiler import compile_statement
from signatures.verification import meaning
from tests.support.catalog import FixedCatalog, catalog_of

SCHEMA = (
    "CREATE TABLE t(a INT, b INT, u INT, s STRUCT(a INT, b INT))",
    "INSERT INTO t VALUES (1,2,3,{'a':10,'b':20}),(2,2,5,{'a':11,'b':21})",
    "INSERT INTO t VALUES (3,1,1,{'a':1,'b':2}),(NULL,4,2,NULL)",
    "CREATE TABLE u(a INT, c INT, t INT)",
    "INSERT INTO u VALUES (1,7,1),(1,8,2),(3,9,3),(5,5,NULL),(NULL,1,9)",
    "CREATE TABLE v(a INT, b INT, c INT)",
    "INSERT INTO v VALUES (1,2,7),(3,3,9),(6,1,1)",
    "CREATE TABLE s(a INT, x INT)",
    "INSERT INTO s VALUES (1,100),(2,200)",
    "CREATE VIEW w AS SELECT a, b+1 AS b FROM t",
    "CREATE VIEW w2 AS SELECT * FROM w JOIN u USING (a)",
)

GROUPS = """
select a+1 as b from t where b > 1
select a+1 as b from t where t.b > 1
select a+1 as b from t where t.a+1 > 1

select a+1 as z from t where z > 2
select a+1 as z from t where a+1 > 2

select a+1 as b, count(*) from t group by b
select a+1 as b, count(*) from t group by a+1
select a+1 as b, count(*) from t group by t.b, a+1

select b as a, count(*) as n from t group by a
select b as a, count(*) as n from t group by b
select b as a, count(*) as n from t group by t.a, b

select b as a, count(*) from t group by all
select b as a, count(*) from t group by b

select a, sum(b) as b from t group by a having b > 2
select a, sum(b) as b from t group by a having sum(b) > 2

select a, max(b) as m from t group by a having m > 2
select a, max(b) as m from t group by a having max(b) > 2

select -a as a from t order by a
select -a as a from t order by -t.a
select -a as a from t order by t.a

select -a as a from t order by a + 0 limit 1
select -a as a from t order by -a + 0 limit 1
select -a as a from t order by t.a + 0 limit 1

select -a as z from t order by z + 0 limit 1
select -a as z from t order by -a + 0 limit 1

select a, row_number() over (order by u) as b from t qualify b = 1
select a, row_number() over (order by u) as b from t qualify row_number() over (order by u) = 1
select a, row_number() over (order by u) as b from t where t.b = 1

select a+1 as b, b+1 as c from t
select a+1 as b, t.b+1 as c from t
select a+1 as b, a+1+1 as c from t

select a+1 as z, z+1 as c from t
select a+1 as z, a+1+1 as c from t

select a from t left join v using (a)
select t.a from t left join v on t.a=v.a
select v.a from t left join v on t.a=v.a

select a from t right join v using (a)
select v.a from t right join v on t.a=v.a
select t.a from t right join v on t.a=v.a

select a from t full join v using (a)
select coalesce(t.a,v.a) from t full join v on t.a=v.a
select t.a from t full join v on t.a=v.a

select * from t left join v using (a)
select t.a,t.b,t.u,t.s,v.b,v.c from t left join v on t.a=v.a

select * from t right join v using (a)
select v.a,t.b,t.u,t.s,v.b,v.c from t right join v on t.a=v.a
select t.b,t.u,t.s,v.* from t right join v on t.a=v.a

select * from t natural join v
select t.a,t.b,t.u,t.s,v.c from t join v on t.a=v.a and t.b=v.b
select t.a,t.b,t.u,t.s,v.c from t join v on t.a=v.a

select t.* from t natural join v
select t.a,t.b,t.u,t.s from t join v on t.a=v.a and t.b=v.b

select v.* from t join v using (a)
select v.a, v.b, v.c from t join v on t.a=v.a

select (select max(c) from u where u.a = a) from t
select (select max(c) from u where u.a = u.a) from t
select (select max(c) from u where u.a = t.a) from t

select (select max(c) from u x where x.a = t.a) from t
select (select max(x.c) from u x where x.a = x.t) from t
select (select max(t.c) from u t where t.a = t.a) from t

select (select max(c) from u where t = b) from t
select (select max(c) from u where u.t = t.b) from t

select (select max(c) from u where t.a = 1) from t
select (select max(u.c) from u where u.a = 1) from t

with t as (select a, c as b from v) select b from t
select c from v
select b from t

with t as (select a, b from t) select b from t
select b from t

with x as (select a from t), y as (with x as (select a from v) select a from x) select y.a, x.a from x, y
select v.a, t.a from t, v
select t2.a, t.a from t, t t2

with x as (select a from t) select * from (with x as (select a from v) select a from x) q
select a from v
select a from t

select a, b from w
select a, b+1 from t
select a, b from t

with t as (select 1 as a, 2 as b) select a, b from w
select a, b+1 from t

select * from w2
select t.a, t.b+1, u.c, u.t from t join u on t.a=u.a

select s.a from t
select t.s.a from t
select t.a from t

select s.a from t, s
select s.x, s.a from t, s
select t.s.a from t, s

select s.a from s, t
select t.s.a from s, t

select s.b from t, s
select t.s.b from t, s

select u.a from t join u on t.a=u.a
select t.a from t join u on t.a=u.a

select u from t
select t.u from t

select t.u, u.t from t, u where u = t
select t.u, u.t from t, u where t.u = u.t

select t.a as b from t join v using (a) where b = 2
select t.a as b from t join v using (a) where t.b = 2

select x from (select a as x, b as y from t) q(y, x)
select b from t
select a from t

select q.x from (select a, b from t) as q(x)
select a from t

with q(x) as (select b, a from t) select x, a from q
select b, a from t

select a from (select a from t) t2, lateral (select t2.a + 1 as z) where z > 2
select a from t where a+1 > 2

select (select a) from t
select a from t

select (select u.a from u where u.c = 9) from t
select (select a from u where c = 9) from t
select (select t.a from u where u.c = 9) from t

select a from t where exists (select 1 from u where a = 3)
select a from t where exists (select 1 from u where u.a = 3)
select a from t where exists (select 1 from u where t.a = 3)

select a from t where b in (select b from u)
select a from t where b in (select t.b from u)
select a from t where b in (select a from u)

select t.a as x, (select x) from t
select t.a as x, t.a from t

select b as x, (select max(c) from u where a = x) from t
select b, (select max(u.c) from u where u.a = t.b) from t

select a as x from t where (select x = 1)
select a as x from t where a = 1

select count(*) as a, a as b from t group by a
select count(*) as x, a as b from t group by a

select a as c, c from t, u
select t.a, t.a from t, u

select max(a) as a from t order by a
select max(a) as a from t order by max(a)

select b, sum(a) as a from t group by b order by a
select b, sum(a) from t group by b order by sum(a)
select b, sum(a) from t group by b order by b

select b, sum(a) as b from t group by 1 order by 2
select b, sum(a) as x from t group by b order by sum(a)

select distinct b as a from t order by a
select distinct b from t order by b

select distinct on (a) b as a, u from t order by a, u, b
select distinct on (t.a) b as a, u from t order by b, u
select distinct on (b) b as a, u from t order by b, u

select b as a, sum(u) over (partition by a) from t
select b, sum(u) over (partition by t.a) from t
select b, sum(u) over (partition by b) from t

select b as z, sum(u) over (partition by z) from t
select b, sum(u) over (partition by b) from t

select a from t union select c from u order by a
select a from t union select c from u order by 1

select b as a from t union all select a from u order by a limit 2
select b from t union all select a from u order by 1 limit 2

select main.t.a from t
select t.a from main.t

select T.A from t
select a from T as t

select "a" from t
select A from t

select t.a from t as v, v as t
select v.a from t, v

select a from t semi join u using (a)
select a from t where a in (select a from u)
select t.a from t semi join u on t.a=u.a

select * from t anti join u using (a)
select t.* from t anti join u on t.a=u.a

select b from t where a = any (select a from u)
select b from t where a in (select a from u)

select x.a from t x, t y where x.a=y.b
select y.a from t x, t y where x.b=y.a
select x.a from t y, t x where x.a=y.b
select y.a from t x, t y where x.a=y.b

select l.a from t l left join v r on l.a=r.a and r.b>2
select l.a from t l left join v r on l.a=r.a where r.b>2
select l.a from t l left join (select * from v where b>2) r on l.a=r.a

select q.one from t left join (select a, 1 as one from v) q on t.a=q.a
select 1 from t left join v q on t.a=q.a
select case when q.a is not null then 1 end from t left join v q on t.a=q.a

select grouping(a), a from t group by rollup(a)
select grouping(a), a from t group by a
select grouping(b), a from t group by rollup(a), b

select a, count(*) from t group by grouping sets ((a),(a))
select a, count(*) from t group by a

select a, b, count(*) from t group by a, rollup(b)
select a, b, count(*) from t group by grouping sets ((a,b),(a))
select a, b, count(*) from t group by rollup(a,b)
select a, b, count(*) from t group by cube(a,b)
select a, b, count(*) from t group by grouping sets ((a,b),(b),(a),())

select 'x' as k, count(*) from t group by rollup(k)
select 'x' as k, count(*) from t group by k
select 'x', count(*) from t group by rollup(1)

select a, sum(b) filter (where u>1) from t group by a
select a, sum(b) from t where u>1 group by a

select not a = 1 from t
select a <> 1 from t
select not (a = 1) from t

select a between 1 and 2 from t
select a >= 1 and a <= 2 from t
select a between 2 and 1 from t

select a not in (1, null) from t
select not (a in (null, 1)) from t
select a <> 1 from t

select t1.a from t t1 join t t2 on t1.a=t2.b join t t3 on t2.a=t3.b
select t2.a from t t1 join t t2 on t1.a=t2.b join t t3 on t2.a=t3.b
select t3.a from t t1 join t t2 on t1.a=t2.b join t t3 on t2.a=t3.b
select t1.a from t t3 join t t1 on t3.a=t1.b join t t2 on t1.a=t2.b

select a, (select sum(b) from t t2 where t2.a <= t.a) from t
select a, (select sum(t2.b) from t t2 where t2.a <= t2.a) from t

select * from t, lateral (select * from u where u.a=t.a) q
select * from t join u on u.a=t.a
select * from t cross join (select * from u where u.a=t.a) q

select * from t left join lateral (select c from u where u.a=t.a) q on true
select t.*, u.c from t left join u on u.a=t.a
select t.*, u.c from t join u on u.a=t.a

from t select a where b = 2
select a from t where b = 2

select a from t limit all
select a from t

select a from (select a from t order by b limit 2)
select a from (select a from t limit 2)
select a from t order by b limit 2

select * exclude (a) from t
select b,u,s from t

select * replace (a+1 as a) from t
select a+1, b, u, s from t
select * from t

select columns('a|b') from t
select a, b from t
"""


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Tables and columns that are called alike."""
    with duckdb.connect() as connection:
        for part in SCHEMA:
            connection.execute(part)
        yield connection


@pytest.fixture(scope="module")
def catalog(connection: duckdb.DuckDBPyConnection) -> FixedCatalog:
    """Their names."""
    return catalog_of(connection)


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str) -> list[str] | str:
    """Rows as a multiset, or what the engine has against the statement."""
    try:
        return sorted(map(repr, connection.execute(sql).fetchall()))
    except duckdb.Error as error:
        return str(error)


@pytest.mark.parametrize("group", GROUPS.strip().split("\n\n"), ids=lambda group: group.split("\n")[0])
def test_names_mean_what_they_mean_to_the_engine(
    group: str, connection: duckdb.DuckDBPyConnection, catalog: FixedCatalog
) -> None:
    """Statements of a group that are taken for equal have equal rows."""
    seen: dict[object, tuple[str, list[str] | str]] = {}
    for sql in group.split("\n"):
        found = meaning(compile_statement(sql, catalog, "duckdb"))
        if found is not None:
            first, rows = seen.setdefault(found, (sql, rows_of(connection, sql)))
            assert rows == rows_of(connection, sql), (first, sql)


def test_most_tricky_statements_are_understood(catalog: FixedCatalog) -> None:
    """The test above would pass if nothing were understood."""
    statements = [sql for group in GROUPS.strip().split("\n\n") for sql in group.split("\n")]
    understood = [compile_statement(sql, catalog, "duckdb").statement is not None for sql in statements]
    assert sum(understood) >= 0.9 * len(statements)


@pytest.mark.parametrize(
    ("tricky", "plain"),
    [
        (
            "select a, max(b) as m from t group by a having m > 2",
            "select a, max(b) from t group by a having max(b) > 2",
        ),
        ("select a+1 as z, z+1 as c from t", "select a+1, a+1+1 from t"),
        ("select -a as a from t order by a", "select -t.a from t order by -t.a"),
        ("select a from t left join v using (a)", "select t.a from t left join v on t.a = v.a"),
        ("select a from t right join v using (a)", "select v.a from t right join v on t.a = v.a"),
        (
            "select a from t full join v using (a)",
            "select coalesce(t.a, v.a) from t full join v on t.a = v.a",
        ),
        ("select * from t natural join v", "select t.*, v.c from t join v on t.a = v.a and t.b = v.b"),
        (
            "select (select max(c) from u where u.a = a) from t",
            "select (select max(c) from u where u.a = u.a) from t",
        ),
        ("with t as (select a, c as b from v) select b from t", "select c from v"),
        ("select s.a from t, s", "select s.a from s, t"),
        ("select x from (select a as x, b as y from t) q(y, x)", "select b from t"),
    ],
)
def test_tricky_statement_is_the_qualified_one(
    tricky: str, plain: str, connection: duckdb.DuckDBPyConnection, catalog: FixedCatalog
) -> None:
    """Names are resolved, not refused, where the engine's rule is certain."""
    found = meaning(compile_statement(tricky, catalog, "duckdb"))
    assert found is not None
    assert found == meaning(compile_statement(plain, catalog, "duckdb"))
    assert rows_of(connection, tricky) == rows_of(connection, plain)
