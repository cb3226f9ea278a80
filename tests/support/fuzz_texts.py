"""Statements over the fuzzer's tables whose names and clauses invite mistakes, and small changes to them.

Most of them share the join of ``g`` and ``o``, so that a view which one of them built is there for others.
"""

from __future__ import annotations

import re

from tests.support.random_sql import Choices

TEXTS = tuple(
    " ".join(text.split())
    for text in """
SELECT g.k, o.v FROM g JOIN o ON g.k = o.k;
SELECT x.k, y.v FROM g AS x, o AS y WHERE x.k = y.k;
SELECT g.k, o.v FROM main.g JOIN memory.main.o ON g.k = o.k;
SELECT reused_0.k, c1.v AS c0 FROM g AS reused_0 JOIN o AS c1 ON reused_0.k = c1.k;
WITH g AS (SELECT k, i FROM g WHERE k > 0) SELECT g.k, o.v FROM g JOIN o ON g.k = o.k;
WITH o AS (SELECT k, 9 AS v FROM g) SELECT g.k, o.v FROM g JOIN o ON g.k = o.k;
WITH a AS (SELECT g.k, o.v FROM g JOIN o ON g.k = o.k), g AS (SELECT 1 AS k) SELECT a.v, g.k FROM a JOIN
    g ON a.k = g.k;
SELECT * FROM g JOIN o USING (k);
SELECT k, g.k, o.k FROM g LEFT JOIN o USING (k);
SELECT k, count(*) FROM g FULL JOIN o USING (k) GROUP BY k;
SELECT * FROM g NATURAL JOIN o;
SELECT g.*, o.v FROM g JOIN o ON g.k = o.k;
SELECT o.*, g.k AS o FROM g JOIN o ON g.k = o.k;
SELECT g.k AS k, sum(o.v) AS v FROM g JOIN o ON g.k = o.k GROUP BY g.k HAVING sum(o.v) > 0 ORDER BY v, k;
SELECT g.k + 1 AS q, sum(o.v) FROM g JOIN o ON g.k = o.k GROUP BY q;
SELECT g.k + 1 AS k, sum(o.v) FROM g JOIN o ON g.k = o.k GROUP BY 1;
SELECT o.v % 2 AS v, max(g.i) FROM g JOIN o ON g.k = o.k GROUP BY ALL HAVING v > 0;
SELECT sum(o.v) FILTER (WHERE g.i > 0), count(*) FILTER (g.k = 1) FROM g JOIN o ON g.k = o.k;
SELECT g.k, max(o.v) - min(o.v) FROM g JOIN o ON g.k = o.k GROUP BY g.k ORDER BY count(*) DESC, g.k
    NULLS FIRST;
SELECT sum(o.v), sum(o.v) AS v, avg(g.n) FROM g JOIN o ON g.k = o.k;
SELECT f.k, g.k, o.k FROM f LEFT JOIN (g JOIN o ON g.k = o.k) ON f.k = g.k;
SELECT f.i, o.v FROM (g JOIN o ON g.k = o.k) JOIN f ON f.k = o.k;
SELECT g.i, o.v FROM g, f JOIN o ON f.k = o.k WHERE g.k = f.k;
SELECT g.k, (SELECT count(*) FROM f JOIN o ON f.k = o.k WHERE f.i = g.i) FROM g;
SELECT g.k, (SELECT count(*) FROM f JOIN o ON f.k = o.k) FROM g;
SELECT g.k FROM g WHERE g.i > (SELECT avg(o.v) FROM g JOIN o ON g.k = o.k);
SELECT count(*) FROM g JOIN o ON g.k = o.k;
SELECT 1 FROM g, o;
SELECT g.k FROM g JOIN o ON g.k = o.k UNION SELECT o.v FROM g JOIN o ON g.k = o.k AND o.v > 0;
SELECT g.k FROM g JOIN o ON g.k = o.k EXCEPT ALL SELECT k FROM f;
SELECT g.s COLLATE NOCASE AS s, count(*) FROM g JOIN o ON g.k = o.k GROUP BY ALL;
SELECT min(g.s COLLATE NOCASE), max(g.s) FROM g JOIN o ON g.k = o.k;
SELECT g.l[1], g.l[-1], g.l[1:], o.v FROM g JOIN o ON g.k = o.k;
SELECT f.st.a, f.st['b'], f.mp['a'], g.k FROM f JOIN g ON f.k = g.k WHERE f.st.a > 0;
SELECT st.a FROM f JOIN g ON f.k = g.k;
SELECT f.day + f.k, f.ts::DATE, f.ts - f.iv FROM f JOIN g ON f.k = g.k;
SELECT f.tz::DATE, extract('hour' FROM f.tz), f.tz::VARCHAR FROM f JOIN g ON f.k = g.k;
SELECT g.d / o.v, g.i / o.k, g.i // nullif(o.k, 0), o.v / 0 FROM g JOIN o ON g.k = o.k;
SELECT list(g.i ORDER BY g.i, o.v), string_agg(g.s, ',' ORDER BY g.s DESC) FROM g JOIN o ON g.k = o.k;
SELECT list_sort(list(g.i)), first(g.k ORDER BY g.k) FROM g JOIN o ON g.k = o.k;
SELECT x, y FROM (SELECT g.k, o.v FROM g JOIN o ON g.k = o.k) q(x, y) WHERE x > 0;
SELECT q.* FROM (SELECT g.k, o.v FROM g JOIN o ON g.k = o.k ORDER BY ALL LIMIT 2) q;
SELECT list_transform(g.l, lambda x: x + o.v), list_filter(g.l, lambda k: k > o.k) FROM g JOIN o ON g.k = o.k;
SELECT DISTINCT ON (g.k) g.k, o.v FROM g JOIN o ON g.k = o.k ORDER BY g.k, o.v;
SELECT DISTINCT g.k, o.v FROM g JOIN o ON g.k = o.k ORDER BY o.v DESC, g.k;
SELECT g.k, rank() OVER (PARTITION BY g.k ORDER BY o.v) AS r FROM g JOIN o ON g.k = o.k QUALIFY r = 1;
SELECT g.k, sum(o.v), rank() OVER (ORDER BY sum(o.v)) FROM g JOIN o ON g.k = o.k GROUP BY g.k;
SELECT g.k, sum(o.v) OVER w FROM g JOIN o ON g.k = o.k WINDOW w AS (PARTITION BY g.i);
SELECT grouping(g.k), g.k, g.i, sum(o.v) FROM g JOIN o ON g.k = o.k GROUP BY CUBE (g.k, g.i);
SELECT g.k AS "from", o.v AS "SELECT", o."Odd Name" FROM g JOIN o ON g.k = o.k;
SELECT 'g.k', g.k /* o.v */ FROM g JOIN o ON g.k = o.k -- WHERE g.k = 1
;
SELECT g.k AS v, o.v AS k FROM g JOIN o ON g.k = o.k WHERE v > 0;
SELECT g.k AS v, o.v AS k FROM g JOIN o ON g.k = o.k ORDER BY v, k;
SELECT g FROM g JOIN o ON g.k = o.k;
SELECT count(g), count(DISTINCT o) FROM g JOIN o ON g.k = o.k;
SELECT g.k FROM g JOIN o ON g.k = o.k WHERE g.k IN (SELECT k FROM f WHERE f.i = o.v);
SELECT g.k FROM g JOIN o ON g.k = o.k WHERE EXISTS (FROM f WHERE f.k = g.k);
SELECT unnest(g.l), o.v FROM g JOIN o ON g.k = o.k;
SELECT g.k, w.x FROM g JOIN o ON g.k = o.k, LATERAL (SELECT g.i + o.v AS x) w;
PIVOT (SELECT g.k, o.s, o.v FROM g JOIN o ON g.k = o.k) ON s IN ('a', 'b') USING sum(v);
SELECT * FROM (FROM g JOIN o USING (k));
SELECT g.k FROM g JOIN o ON (g.k = o.k) WHERE NOT (g.i > 1 OR o.v IS NULL);
SELECT g.k, o.v FROM g JOIN o ON g.k = o.k AND true WHERE g.i BETWEEN 0 AND 2 AND o.v IN (0, 1, 2);
SELECT g.k, o.v FROM g LEFT JOIN o ON g.k = o.k AND o.v > 0 WHERE g.i > 0;
SELECT g.k, o.v FROM g LEFT JOIN o ON g.k = o.k WHERE o.v > 0 AND g.i > 0;
SELECT g.k, o.v FROM g RIGHT JOIN o ON g.k = o.k AND g.i > 0;
SELECT a.k, b.k FROM g a JOIN g b ON a.i = b.k WHERE a.k > 0;
SELECT a.k, b.k FROM g b JOIN g a ON a.i = b.k WHERE b.k > 0;
SELECT * EXCLUDE (s, l) FROM g SEMI JOIN o ON g.k = o.k;
SELECT k FROM g ANTI JOIN o USING (k);
SELECT g.k, coalesce(o.s, g.s), CASE WHEN g.bo THEN o.v ELSE g.i END FROM g JOIN o ON g.k = o.k;
SELECT g.d, g.d + 0.0, -g.d, o."Odd Name" * 2 FROM g JOIN o ON g.k = o.k;
SELECT max(g.d), min(g.d), sum(g.d), count(DISTINCT g.d) FROM g JOIN o ON g.k = o.k;
SELECT g.d, count(*) FROM g JOIN o ON g.k = o.k GROUP BY g.d;
SELECT f.h, f.b, f.n, f.iv, f.bl, f.e FROM f JOIN o ON f.k = o.k;
SELECT sum(f.h), sum(f.b), avg(f.b), max(f.iv), max(f.bl), min(f.e) FROM f JOIN o ON f.k = o.k;
SELECT g.k, o.v FROM g JOIN o ON g.k = o.k WHERE g.s = 'a' OR g.s IS NULL;
SELECT G.K, O.V AS "V" FROM G JOIN O ON G.K = O.K;
SELECT p.k AS c0, p.i AS c1 FROM '__DIR__/g.parquet' p JOIN o ON p.k = o.k;
SELECT p.k, q.i FROM read_parquet('__DIR__/*.parquet') p JOIN read_csv('__DIR__/g.csv') q ON p.k = q.k;
SELECT k, count(*) FROM (SELECT p.k FROM '__DIR__/g.parquet' p, o WHERE p.k = o.k) GROUP BY k;
WITH t AS MATERIALIZED (SELECT g.k, count(*) AS n FROM g JOIN o ON g.k = o.k GROUP BY g.k) SELECT a.n,
    b.k FROM t a JOIN t b ON a.k = b.n;
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT t.n, g.k FROM t JOIN
    g ON g.k = t.n JOIN o ON o.k = g.k;
SELECT (SELECT max(v) FROM (SELECT o.v FROM g JOIN o ON g.k = o.k)) AS m, g.k FROM g JOIN o ON g.k = o.k;
SELECT bk.k, bk.c, j.n FROM by_key bk JOIN joined j ON bk.k = j.k;
SELECT twice(g.k), twice(o.v) FROM g JOIN o ON g.k = o.k;
SELECT a.id, b.i FROM of_key(1) a JOIN of_key(2) b ON a.id = b.id;
SELECT g.k, o.v, getvariable('w') FROM g JOIN o ON g.k = o.k WHERE g.k > getvariable('w')
""".strip().split(";\n")
)  # fmt: skip

FILES = (
    "COPY (SELECT * FROM g) TO '__DIR__/g.parquet' (FORMAT parquet)",
    "COPY (SELECT k, i FROM g ORDER BY ALL LIMIT 4) TO '__DIR__/g.parquet' (FORMAT parquet)",
    "COPY (SELECT k, i + 1 AS i FROM g) TO '__DIR__/h.parquet' (FORMAT parquet)",
    "COPY (SELECT k, i FROM g) TO '__DIR__/g.csv' (HEADER)",
)
"""Statements that write the files that some of the texts read."""

_ALIKE = (
    ("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"),
    ("sum", "min", "max", "count", "any_value"),
    (" > ", " < ", " >= ", " <> ", " = ", " IS DISTINCT FROM "),
    (" 0", " 1", " 2"),
    (".k", ".i"),
    (".v", ".k"),
    ("UNION", "UNION ALL", "EXCEPT", "INTERSECT"),
    (" AND ", " OR "),
    ("DESC", "ASC", "DESC NULLS LAST"),
    ("SELECT ", "SELECT DISTINCT "),
    ("FROM g ", "FROM f "),
    (" o ", " other.g "),
)
"""Words that can stand for each other."""


def text(choices: Choices) -> str:
    """One of the texts, often with a word or two changed, sometimes with another end."""
    chosen = TEXTS[choices.below(len(TEXTS))]
    for _ in range(max(0, choices.below(4) - 1)):
        chosen = _changed(choices, chosen)
    return chosen + choices.of("", "", "", "", ";", " -- the end", " /* the end */ ;", "\n")


def _changed(choices: Choices, sql: str) -> str:
    group = _ALIKE[choices.below(len(_ALIKE))]
    places = [match for word in group for match in re.finditer(re.escape(word), sql)]
    if not places:
        return sql
    match = places[choices.below(len(places))]
    return sql[: match.start()] + choices.of(*group) + sql[match.end() :]
