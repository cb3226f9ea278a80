"""A small shop with NULLs and equal rows, and statements as analysts write them."""

from __future__ import annotations

SCHEMA = """
CREATE TABLE sales(id INT, shop INT, item INT, day DATE, qty INT, amount DECIMAL(10,2),
    note VARCHAR, tags VARCHAR[], info STRUCT(a INT, b VARCHAR));
INSERT INTO sales SELECT
    i,
    CASE WHEN i % 11 = 0 THEN NULL ELSE i % 5 END,
    i % 7,
    DATE '2024-01-01' + (i % 40)::INT,
    CASE WHEN i % 13 = 0 THEN NULL ELSE i % 4 END,
    CASE WHEN i % 9 = 0 THEN NULL ELSE (i * 37 % 100)::DECIMAL(10, 2) END,
    CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN 'x' ELSE 'Y' END,
    CASE WHEN i % 6 = 0 THEN NULL ELSE ['a', 'b', CAST(i % 3 AS VARCHAR)] END,
    CASE WHEN i % 8 = 0 THEN NULL ELSE {'a': i % 3, 'b': 'q' || (i % 2)} END
FROM range(120) r(i);
INSERT INTO sales SELECT * FROM sales WHERE id < 30;
CREATE TABLE shops(id INT, name VARCHAR, region VARCHAR, opened DATE);
INSERT INTO shops VALUES
    (0, 'zero', 'north', DATE '2020-01-01'), (1, 'one', 'north', NULL), (2, 'two', NULL, DATE '2021-05-05'),
    (3, NULL, 'south', DATE '2020-01-01'), (3, 'three', 'south', DATE '2022-02-02'),
    (9, 'nine', 'west', NULL), (NULL, 'none', NULL, NULL);
CREATE TABLE items(item INT, price DECIMAL(8,2), "Group" VARCHAR, "two words" INT);
INSERT INTO items VALUES
    (0, 1.50, 'A', 1), (1, 2.50, 'A', NULL), (2, 3.50, 'B', 3), (3, NULL, 'B', 4), (4, 4.00, NULL, 5),
    (4, 4.00, NULL, 5), (6, 7.25, 'C', 6);
CREATE TABLE "Order"("select" INT, "Upper" VARCHAR, "a""b" INT, "from" INT);
INSERT INTO "Order" VALUES (1,'u',10,0),(2,NULL,20,1),(2,'U',NULL,1),(3,'v',30,NULL),(1,'u',10,0);
CREATE TABLE empty(a INT, b VARCHAR);
CREATE VIEW big AS SELECT s.shop, s.item, s.amount, s.day, sh.region
    FROM sales s JOIN shops sh ON s.shop = sh.id WHERE s.amount > 10;
CREATE VIEW region_totals AS SELECT region, sum(amount) AS total, count(*) AS n FROM big GROUP BY region;
CREATE VIEW over_views(r, t) AS SELECT region, total FROM region_totals WHERE n > 1;
CREATE MACRO twice(x) AS x * 2;
CREATE MACRO shop_sales(k) AS TABLE SELECT id, amount FROM sales WHERE shop = k;
"""
"""Tables, views and macros; names that want quotes."""

OTHER_SCHEMA = """
CREATE SCHEMA other;
CREATE TABLE other.shops(id INT, name VARCHAR);
INSERT INTO other.shops VALUES (1, 'other one'), (3, NULL);
"""
"""A table of the same name in a schema of its own."""

STATEMENTS = (
    """SELECT s.shop, sum(s.amount) AS t, rank() OVER (ORDER BY sum(s.amount) DESC NULLS LAST) AS r
    FROM sales s JOIN shops h ON s.shop = h.id GROUP BY s.shop""",
    """SELECT shop, item, sum(qty) q, sum(sum(qty)) OVER (PARTITION BY shop) FROM sales WHERE
    amount > 5 GROUP BY shop, item""",
    """SELECT shop, item, count(*) c FROM sales WHERE qty IS NOT NULL GROUP BY shop, item QUALIFY
    row_number() OVER (PARTITION BY shop ORDER BY count(*) DESC, item) = 1""",
    """SELECT s.*, h.region FROM sales s, shops h WHERE s.shop = h.id QUALIFY dense_rank() OVER
    (PARTITION BY h.region ORDER BY s.amount DESC NULLS LAST) <= 2""",
    """SELECT id, amount - lag(amount) OVER w AS d, avg(amount) OVER (w ROWS BETWEEN 2 PRECEDING
    AND CURRENT ROW) FROM sales WHERE shop = 2 WINDOW w AS (PARTITION BY item ORDER BY id, day,
    qty)""",
    """SELECT h.region, count(*) FILTER (WHERE s.qty > 1) AS f, count(DISTINCT s.item),
    sum(s.amount) / nullif(count(s.amount), 0) FROM sales s LEFT JOIN shops h ON s.shop = h.id
    AND h.region <> 'west' GROUP BY 1 ORDER BY 1""",
    """SELECT h.name, (SELECT max(amount) FROM sales s WHERE s.shop = h.id) AS m, (SELECT count(*)
    FROM sales s WHERE s.shop = h.id AND s.qty > 1) FROM shops h""",
    """SELECT h.name FROM shops h WHERE EXISTS (SELECT * FROM sales s, items i WHERE s.item =
    i.item AND s.shop = h.id AND i.price > 3)""",
    """SELECT s.id FROM sales s WHERE s.amount > (SELECT avg(x.amount) FROM sales x WHERE x.shop =
    s.shop) AND s.item IN (SELECT item FROM items WHERE price > 2)""",
    "SELECT s.id FROM sales s WHERE s.item NOT IN (SELECT i.item FROM items i WHERE i.price IS NULL)",
    "SELECT shop FROM sales WHERE shop NOT IN (SELECT id FROM shops)",
    """SELECT s.shop, sum(s.amount) FROM sales s JOIN shops h ON s.shop = h.id GROUP BY s.shop
    HAVING sum(s.amount) > (SELECT avg(amount) FROM sales z WHERE z.shop = s.shop)""",
    """SELECT h.name, l.m FROM shops h, LATERAL (SELECT max(amount) AS m FROM sales s WHERE s.shop
    = h.id) l""",
    """SELECT h.name, l.id FROM shops h LEFT JOIN LATERAL (SELECT s.id FROM sales s WHERE s.shop =
    h.id ORDER BY s.amount DESC NULLS LAST, s.id LIMIT 2) l ON true""",
    "SELECT i.item, i.price, x FROM items i, (SELECT i.price * 2 AS x)",
    "SELECT item, s.id, i.price FROM sales s JOIN items i USING (item) WHERE i.price > 2",
    "SELECT * FROM sales s JOIN items i USING (item) WHERE qty > 1",
    "SELECT item, sum(amount), max(price) FROM sales NATURAL JOIN items GROUP BY item",
    "SELECT id, s.name, o.name FROM shops s FULL JOIN other.shops o USING (id)",
    "SELECT id, name FROM shops NATURAL LEFT JOIN other.shops",
    "SELECT id FROM shops s RIGHT JOIN other.shops o USING (id) WHERE o.name IS NULL",
    """SELECT a.id, b.id FROM sales a JOIN sales b ON a.item = b.item AND a.shop = b.shop AND a.id
    < b.id WHERE a.amount > 50 AND b.qty = 2""",
    """SELECT a.shop, count(*) FROM sales a, sales b, shops h WHERE a.shop = b.shop AND b.shop =
    h.id AND a.item = 3 AND b.item = 4 GROUP BY a.shop""",
    """SELECT count(*), sum(a.amount), sum(b.amount) FROM sales a, sales b WHERE a.id = b.id AND
    a.qty = 1 AND b.qty = 1""",
    """SELECT a.name, b.name FROM shops a SEMI JOIN other.shops o ON a.id = o.id, shops b WHERE
    a.region = b.region""",
    "SELECT * FROM shops a ANTI JOIN other.shops o ON a.id = o.id",
    "SELECT s.id, h.name FROM sales s ASOF JOIN shops h ON s.day >= h.opened WHERE s.id < 10",
    "SELECT * FROM empty e CROSS JOIN items",
    "SELECT * FROM items i POSITIONAL JOIN shops h",
    "SELECT s.info.a, s.info.b, count(*) FROM sales s WHERE s.info.a > 0 GROUP BY ALL",
    """SELECT info.a AS a, sum(amount) FROM sales, shops h WHERE sales.shop = h.id AND sales.info.b
    = 'q1' GROUP BY info.a""",
    "SELECT (s.info).a, s.info['b'], s.tags[1], s.tags[2:3] FROM sales s WHERE len(s.tags) > 1",
    "SELECT id, unnest(tags) AS t FROM sales WHERE shop = 1",
    "SELECT s.id, u.t FROM sales s, UNNEST(s.tags) AS u(t) WHERE u.t <> 'a'",
    "SELECT id, [x || '!' for x in tags if x <> 'a'] AS l FROM sales WHERE item = 2",
    """SELECT id, list_transform(tags, x -> upper(x)) l, list_filter(tags, lambda y: y > 'a') FROM
    sales JOIN items USING (item)""",
    "SELECT shop, list(item ORDER BY item, id) FROM sales GROUP BY shop",
    "SELECT {'k': shop, 'v': sum(amount)} AS st, MAP {'a': count(*)} FROM sales GROUP BY shop",
    """SELECT shop, item, sum(amount), GROUPING(shop), GROUPING(shop, item) FROM sales WHERE shop
    IS NOT NULL GROUP BY ROLLUP (shop, item)""",
    """SELECT region, name, count(*) c, grouping_id(region, name) FROM shops GROUP BY CUBE (region,
    name) HAVING count(*) > 1""",
    "SELECT region, name, count(*) FROM shops GROUP BY GROUPING SETS ((region), (name), ())",
    "SELECT shop, item, max(amount) FROM sales GROUP BY ALL ORDER BY ALL",
    "SELECT shop % 2 AS parity, count(*) FROM sales GROUP BY parity HAVING parity IS NOT NULL",
    """SELECT day_of, sum(amount) FROM (SELECT date_trunc('month', day) AS day_of, amount FROM
    sales) GROUP BY day_of ORDER BY 1""",
    "SELECT count(*) FROM sales HAVING count(*) > 10",
    "SELECT sum(amount) FROM sales WHERE shop = 77 HAVING sum(amount) IS NULL",
    "SELECT 'k' FROM sales HAVING max(amount) > 1",
    "SELECT shop FROM sales GROUP BY shop HAVING count(*) > 5 AND bool_or(qty > 2)",
    """SELECT h.region, sum(s.amount) FROM sales s, shops h WHERE s.shop = h.id GROUP BY h.region
    HAVING sum(s.amount) > 100 ORDER BY sum(s.amount) DESC""",
    """SELECT upper(h.region) u, sum(s.amount * 2) FROM sales s, shops h WHERE s.shop = h.id GROUP
    BY u, h.region""",
    "SELECT 1 + sum(amount), max(amount) - min(amount), shop * 10 FROM sales GROUP BY shop",
    """SELECT DISTINCT ON (shop) shop, id, amount FROM sales ORDER BY shop, amount DESC NULLS LAST,
    id, day, qty""",
    "SELECT DISTINCT ON (shop, item) * FROM sales WHERE amount > 20 ORDER BY shop, item, id, day",
    "SELECT DISTINCT region FROM shops UNION ALL SELECT DISTINCT name FROM shops",
    """SELECT DISTINCT s.shop, h.region FROM sales s JOIN shops h ON h.id = s.shop ORDER BY
    h.region NULLS FIRST, 1""",
    "WITH sales AS (SELECT * FROM sales WHERE shop = 1) SELECT count(*), sum(amount) FROM sales",
    """WITH shops AS (SELECT 1 AS id, 'fake' AS name) SELECT * FROM shops, (WITH shops AS (SELECT 2
    AS id2) SELECT * FROM shops) x, main.shops y WHERE y.id = shops.id""",
    """WITH a AS (SELECT shop, sum(amount) t FROM sales GROUP BY shop), b AS (WITH a AS (SELECT id
    AS shop, 0 AS t FROM shops) SELECT * FROM a WHERE shop > 1) SELECT * FROM a JOIN b USING
    (shop)""",
    """WITH a AS (SELECT shop, amount FROM sales WHERE amount > 50), b AS (SELECT shop, count(*) c
    FROM a GROUP BY shop), c AS (SELECT max(c) m FROM b) SELECT b.* FROM b, c WHERE b.c = c.m""",
    """WITH a(x, y) AS (SELECT shop, amount FROM sales) SELECT x, max(y) FROM a GROUP BY x UNION
    SELECT y::INT, x FROM a WHERE y < 5""",
    """WITH a AS MATERIALIZED (SELECT item, sum(qty) q FROM sales GROUP BY item), b AS NOT
    MATERIALIZED (SELECT * FROM a) SELECT * FROM a, b WHERE a.item = b.item""",
    """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT n.i,
    count(s.id) FROM n LEFT JOIN sales s ON s.shop = n.i GROUP BY n.i ORDER BY n.i""",
    """WITH RECURSIVE t AS (SELECT id, shop FROM sales WHERE id = 1 UNION SELECT s.id, s.shop FROM
    sales s JOIN t ON s.id = t.id + 1 AND s.id < 20), k AS (SELECT shop, count(*) c FROM t GROUP
    BY shop) SELECT * FROM k""",
    """SELECT s.shop, (SELECT count(*) FROM shops s WHERE s.id = 3) FROM sales s JOIN (SELECT s.id
    FROM shops s WHERE s.region = 'south') t ON s.shop = t.id""",
    """SELECT x.a FROM (SELECT shop AS a FROM sales x WHERE x.item = 1) x JOIN (SELECT id AS a FROM
    shops x) y ON x.a = y.a""",
    """SELECT sales.shop AS id, shops.id AS shop FROM sales, shops WHERE sales.shop = shops.id
    ORDER BY id, shop, sales.id""",
    "SELECT amount AS qty, qty AS amount FROM sales WHERE qty > 1 ORDER BY amount, qty, id",
    "SELECT amount * 2 AS amount, sum(qty) FROM sales GROUP BY amount",
    "SELECT qty AS q, q + 1 AS r, r * 2 FROM sales WHERE q > 1",
    'SELECT "select", "Upper", "a""b" FROM "Order" WHERE "from" = 1 OR "Upper" IS NULL',
    (
        'SELECT o."select", max(o."a""b") AS "Max ""x""", count(*) "count" FROM "Order" o JOIN '
        '"Order" AS "b c" ON o."select" = "b c"."select" GROUP BY o."select"'
    ),
    (
        'SELECT i."Group", sum(i."two words") AS "sum of words" FROM sales s JOIN items i ON i.item'
        ' = s.item GROUP BY i."Group" ORDER BY "sum of words"'
    ),
    'SELECT "GROUP", "Two Words" FROM ITEMS JOIN Sales S ON S.ITEM = items.Item WHERE SHOP = 2',
    'SELECT main.sales.shop, "sales"."item" FROM main.sales WHERE main.sales.qty = 3',
    'SELECT "ü"."shop" AS "straße" FROM sales "ü" JOIN shops "ö" ON "ü".shop = "ö".id',
    "SELECT shop, sum(amount) s FROM sales GROUP BY shop ORDER BY 2 DESC NULLS LAST, 1 LIMIT 3",
    "SELECT id, amount FROM sales ORDER BY amount DESC NULLS LAST LIMIT 5",
    "SELECT id, shop FROM sales WHERE id < 5 ORDER BY shop, id LIMIT 3 OFFSET 1",
    """SELECT * FROM (SELECT id, amount FROM sales ORDER BY id, day, qty, amount LIMIT 7) t JOIN
    shops h ON t.id % 4 = h.id""",
    """SELECT h.region, count(*) AS n FROM sales s, shops h WHERE s.shop = h.id GROUP BY h.region
    ORDER BY n, count(DISTINCT s.item), h.region LIMIT 2""",
    "SELECT -sum(amount) AS amount FROM sales GROUP BY shop ORDER BY amount",
    "SELECT shop AS s FROM sales WHERE item = 1 ORDER BY -s, id + s, id",
    "SELECT id FROM sales ORDER BY id, day LIMIT 10 % 4",
    "SELECT id FROM sales ORDER BY id, amount, day LIMIT 40%",
    """SELECT v.n, s.id FROM (VALUES (1, 'a'), (2, 'b'), (NULL, NULL)) v(k, n) JOIN sales s ON
    s.shop = v.k WHERE s.item = 3""",
    "VALUES (1, 2), (3, NULL)",
    """SELECT shop FROM sales WHERE item = 1 UNION ALL SELECT id FROM shops WHERE region = 'north'
    ORDER BY 1""",
    """(SELECT shop AS k, 'a' AS w FROM sales WHERE item = 1 ORDER BY id LIMIT 2) UNION ALL (SELECT
    id, 'b' FROM shops) ORDER BY k NULLS FIRST, w""",
    "SELECT shop FROM sales INTERSECT SELECT id FROM shops EXCEPT SELECT 1",
    "SELECT shop FROM sales EXCEPT ALL SELECT id FROM shops",
    """SELECT shop, item FROM sales WHERE qty = 1 INTERSECT ALL SELECT shop, item FROM sales WHERE
    qty = 1 AND amount > 10""",
    """SELECT shop AS a, item AS b FROM sales WHERE id < 3 UNION BY NAME SELECT region AS c, id AS
    a FROM shops""",
    """SELECT * FROM (SELECT shop FROM sales WHERE item = 1 UNION SELECT id FROM shops) u JOIN
    shops h ON u.shop = h.id""",
    """SELECT 1 AS x, 'a' AS y UNION ALL SELECT count(*), max(region) FROM shops UNION ALL SELECT
    sum(amount), NULL FROM sales""",
    "SELECT * FROM sales TABLESAMPLE 10 ROWS (reservoir, 42)",
    "SELECT count(*) FROM sales USING SAMPLE 50% (bernoulli, 7)",
    "SELECT twice(amount) AS d, twice(qty + 1) FROM sales WHERE twice(shop) = 4",
    "SELECT h.name, x.amount FROM shop_sales(2) x JOIN shops h ON x.id % 3 = h.id",
    "SELECT * FROM over_views o JOIN region_totals r ON o.r = r.region",
    "SELECT region, sum(amount) total FROM big WHERE item = 3 GROUP BY region",
    """SELECT b.region, sum(b.amount) AS t FROM big b JOIN items i ON i.item = b.item GROUP BY
    b.region HAVING sum(b.amount) > 50""",
    "PIVOT sales ON shop USING sum(amount) GROUP BY item",
    """SELECT * FROM (PIVOT (SELECT shop, item, qty FROM sales) ON qty IN (1, 2, 3) USING count(*))
    p JOIN shops h ON p.shop = h.id""",
    'UNPIVOT (SELECT item, price, "two words" FROM items) ON price, "two words" INTO NAME k VALUE v',
    "SELECT * EXCLUDE (tags, info) REPLACE (amount * 2 AS amount) FROM sales WHERE shop = 1",
    "SELECT COLUMNS('^(id|shop)$') FROM sales WHERE item = 2",
    "SELECT h.* , s.id FROM sales s JOIN shops h ON s.shop = h.id",
    "FROM sales SELECT shop, count(*) WHERE qty > 0 GROUP BY shop",
    "FROM sales s JOIN shops h ON s.shop = h.id",
    """SELECT CASE WHEN s.amount > 50 THEN 'hi' WHEN s.amount IS NULL THEN 'none' ELSE 'lo' END AS
    k, count(*) FROM sales s JOIN items i ON s.item = i.item GROUP BY k""",
    """SELECT s.id, coalesce(h.name, s.note, '?') FROM sales s LEFT JOIN shops h ON s.shop = h.id
    AND s.qty > 1 WHERE s.note LIKE '%x%' OR h.region ILIKE 'NOR%'""",
    """SELECT s.id FROM sales s, shops h, items i WHERE s.shop = h.id AND s.item = i.item AND
    (h.region = 'north' OR i.price > 3) AND s.day BETWEEN DATE '2024-01-05' AND DATE
    '2024-01-20'""",
    """SELECT s.id, i.price FROM sales s JOIN shops h ON s.shop = h.id JOIN items i ON s.item =
    i.item AND i.price > 2 LEFT JOIN other.shops o ON o.id = h.id WHERE o.name IS NULL""",
    "SELECT count(*) FROM sales s JOIN (items i JOIN shops h ON i.item = h.id) ON s.item = i.item",
    """SELECT /* hint */ h.region -- the region
, sum(s.amount) -- total
FROM sales s -- facts
JOIN shops h -- places
ON s.shop = h.id -- key
WHERE s.amount > 10 -- large
GROUP BY h.region -- done""",
    "SELECT count(*) FROM sales s, shops h WHERE s.shop = h.id; ",
    "SELECT count(*) FROM sales s, shops h WHERE s.shop = h.id -- end",
    "SELECT h.region, count(*) FROM sales s, shops h WHERE s.shop = h.id GROUP BY h.region;;",
    """SELECT sum(amount)::DOUBLE / count(*) AS "avg", '{0.x}' AS braces, 'it''s; -- no' AS t FROM
    sales, shops WHERE sales.shop = shops.id AND note <> ';--'""",
    ("SELECT E'a\\nb', $$dollar 'q'$$, 'x' FROM sales s, shops h WHERE s.shop = h.id AND s.note <> $$--$$"),
    """SELECT date_part('month', s.day) AS m, extract(year FROM s.day), s.day + INTERVAL 1 MONTH,
    s.day - DATE '2024-01-01' FROM sales s WHERE s.day > DATE '2024-01-10' - INTERVAL '3 days'""",
    """SELECT s.shop, s.amount::VARCHAR || '€' AS t, s.amount::INT // 3, s.qty ** 2, s.qty % 2 = 0
    FROM sales s JOIN shops h ON s.shop = h.id""",
    """SELECT string_agg(note, ',' ORDER BY note, id), arg_max(id, amount ORDER BY amount, id) FROM
    sales GROUP BY shop""",
    """SELECT median(amount), quantile_cont(amount, 0.5), mode(shop), approx_count_distinct(shop),
    stddev_samp(qty) FROM sales""",
    """SELECT EXISTS (SELECT 1 FROM sales WHERE shop = 3), (SELECT count(*) FROM shops), 5 IN
    (SELECT shop FROM sales)""",
    """SELECT (SELECT sum(amount) FROM sales s JOIN shops h ON s.shop = h.id) AS a, (SELECT
    sum(amount) FROM sales s, shops h WHERE h.id = s.shop) AS b""",
    """SELECT s.shop, sum(s.amount) OVER () FROM sales s JOIN shops h ON s.shop = h.id WHERE
    s.amount > 90""",
    "SELECT rowid, id FROM sales WHERE shop = 1",
    "SELECT s.rowid, h.name FROM sales s JOIN shops h ON s.shop = h.id",
    "SELECT s, h.id FROM sales s JOIN shops h ON s.shop = h.id WHERE s.id < 4",
    "SELECT count(s), count(h.id) FROM sales s LEFT JOIN shops h ON s.shop = h.id",
    """SELECT s.shop = ANY (SELECT id FROM shops) AS a, s.amount > ALL (SELECT price FROM items
    WHERE price IS NOT NULL) b FROM sales s""",
    "SELECT s.shop FROM sales s WHERE (s.shop, s.item) IN (SELECT h.id, i.item FROM shops h, items i)",
    """SELECT t.* FROM (SELECT shop, item, sum(amount) AS a FROM sales GROUP BY shop, item) t JOIN
    (SELECT shop, max(a) AS a FROM (SELECT shop, item, sum(amount) AS a FROM sales GROUP BY
    shop, item) GROUP BY shop) m ON t.shop = m.shop AND t.a = m.a""",
    """SELECT s.day, count(*) FROM sales s, (SELECT min(day) lo, max(day) hi FROM sales WHERE shop
    = 1) r WHERE s.day BETWEEN r.lo AND r.hi GROUP BY s.day""",
    "SELECT g.i, s.id FROM range(5) g(i) JOIN sales s ON s.shop = g.i JOIN shops h ON h.id = s.shop",
    'SELECT s.id AS "s.id", s."id" FROM sales s JOIN shops h ON s.shop = h.id WHERE h.id = 1',
    "SELECT s.shop, h.id, s.shop FROM sales s JOIN shops h ON s.shop = h.id",
    """SELECT max(s.amount) max, min(s.amount) AS min, s.shop shop FROM sales s INNER JOIN shops h
    ON (s.shop = h.id) GROUP BY s.shop""",
    """SELECT count(*) AS c, c + 1 AS d FROM sales s JOIN shops h ON s.shop = h.id GROUP BY s.shop
    HAVING c > 3""",
    """SELECT s.shop, count(*) FROM sales s JOIN shops h ON s.shop = h.id WHERE s.qty > 0 AND
    h.region IS NOT NULL GROUP BY (s.shop)""",
    """SELECT s.shop, h.region, count(*) FROM sales s JOIN shops h ON s.shop = h.id GROUP BY
    (s.shop, h.region)""",
    "SELECT sum(qty) FROM (SELECT DISTINCT qty, shop FROM sales WHERE amount > 3) WHERE shop IN (1, 2)",
    "SELECT * FROM sales WHERE 1 = 0",
    "SELECT count(*) FROM (SELECT * FROM sales LIMIT 10) x, shops",
    """SELECT s.shop, sum(CASE WHEN h.region = 'north' THEN s.amount END) n, sum(CASE WHEN h.region
    = 'south' THEN s.amount END) s FROM sales s, shops h WHERE s.shop = h.id GROUP BY s.shop
    ORDER BY s.shop""",
    """SELECT h.region, i.price, s.info.a FROM sales s JOIN shops h ON s.shop = h.id JOIN items i
    ON s.item = i.item WHERE s.info.b = 'q1'""",
    """SELECT s.note.upper() AS u, h.name FROM sales s JOIN shops h ON s.shop = h.id JOIN items i
    ON s.item = i.item WHERE i.price > 2""",
    """SELECT h.name, (SELECT count(*) FROM items z WHERE z.item = s.item AND z.price > i.price)
    AS c FROM sales s JOIN shops h ON s.shop = h.id JOIN items i ON s.item = i.item""",
    """SELECT h.name FROM sales s, shops h, items i WHERE s.shop = h.id AND s.item = i.item AND
    EXISTS (SELECT 1 FROM items z WHERE z.item = s.item AND z.price > 2)""",
    """SELECT h.name FROM sales s, shops h, items i WHERE s.shop = h.id AND s.item = i.item AND
    s.qty = (SELECT max(qty) FROM sales z WHERE z.shop = h.id)""",
    """SELECT h.name, l.m FROM sales s JOIN shops h ON s.shop = h.id JOIN items i ON s.item =
    i.item, LATERAL (SELECT max(amount) AS m FROM sales z WHERE z.shop = h.id) l""",
    """SELECT h.name, o.name FROM sales s JOIN shops h ON s.shop = h.id JOIN items i ON s.item =
    i.item LEFT JOIN shops o ON o.id = i.item AND s.qty > 1""",
    """SELECT h.name, o.name FROM shops o LEFT JOIN sales s ON o.id = s.shop, items i, shops h
    WHERE s.item = i.item AND h.id = o.id""",
    """SELECT i.price, count(*) FROM sales s JOIN shops h ON s.shop = h.id JOIN items i ON s.item
    = i.item GROUP BY 1 ORDER BY ALL""",
    """SELECT s.shop AS item, i.item AS shop, sum(s.qty) FROM sales s JOIN shops h ON s.shop =
    h.id JOIN items i ON s.item = i.item GROUP BY s.shop, i.item""",
    """SELECT i.price AS qty, sum(s.qty) AS price FROM sales s JOIN shops h ON s.shop = h.id JOIN
    items i ON s.item = i.item GROUP BY i.price HAVING sum(s.qty) > 3 ORDER BY qty, price""",
    """SELECT i.price AS p, sum(s.qty) AS t FROM sales s JOIN shops h ON s.shop = h.id JOIN items
    i ON s.item = i.item GROUP BY p HAVING t > 3 ORDER BY t, p""",
    """SELECT DISTINCT ON (h.region) h.region, i.price FROM sales s JOIN shops h ON s.shop = h.id
    JOIN items i ON s.item = i.item ORDER BY h.region, i.price DESC NULLS LAST""",
    """SELECT DISTINCT h.region, i.price FROM sales s JOIN shops h ON s.shop = h.id JOIN items i
    ON s.item = i.item""",
    """SELECT s.* EXCLUDE (tags, info), i.price FROM sales s JOIN shops h ON s.shop = h.id JOIN
    items i ON s.item = i.item""",
    "SELECT h.*, i.* FROM sales s JOIN shops h ON s.shop = h.id JOIN items i ON s.item = i.item",
    "SELECT *, s.qty AS again FROM sales s, shops h, items i WHERE s.shop = h.id AND s.item = i.item",
    "SELECT count(h.*) FROM sales s JOIN shops h ON s.shop = h.id JOIN items i ON s.item = i.item",
    """SELECT count(*) FILTER (WHERE i.price > 2 AND h.region = 'north') AS f, count(*) FILTER
    (i.price > 3) FROM sales s JOIN shops h ON s.shop = h.id JOIN items i ON s.item = i.item""",
    """SELECT sum(s.qty) OVER w, row_number() OVER (w ORDER BY s.id, i.price, h.name, s.day) FROM
    sales s JOIN shops h ON s.shop = h.id JOIN items i ON s.item = i.item WINDOW w AS
    (PARTITION BY h.region)""",
    """SELECT t.x, t.y FROM (SELECT shop, item FROM sales WHERE qty = 1) t(x, y) JOIN shops h(k)
    ON t.x = h.k JOIN items z(q) ON z.q = t.y""",
    "SELECT k, n FROM shops AS h(k, n) WHERE k > 1",
    """SELECT s.id FROM sales s, (VALUES (1), (2), (NULL)) v(k), items i WHERE s.shop = v.k AND
    i.item = s.item AND i.price > 2""",
    """SELECT /* a, b */ h.name, 'FROM x -- y' AS t, "i"."price" FROM sales s JOIN shops h ON
    s.shop = h.id JOIN items i ON s.item = i.item WHERE s.note = 'x' /* WHERE */ OR s.note IS
    NULL""",
    """SELECT (((h.name))), ((i.price) + (s.qty)) FROM sales s, shops h, items i WHERE s.shop =
    h.id AND s.item = i.item AND (((s.qty > 1)))""",
    """SELECT h.name || ':' || i.price::VARCHAR AS k, count(*) FROM sales s JOIN shops h ON
    s.shop = h.id JOIN items i ON s.item = i.item GROUP BY h.name, i.price, k""",
    """SELECT CASE h.region WHEN 'north' THEN i.price ELSE 0 END AS c FROM sales s JOIN shops h
    ON s.shop = h.id JOIN items i ON s.item = i.item ORDER BY c DESC NULLS LAST, h.name""",
    """SELECT s.id FROM sales s, shops h, items i WHERE s.shop = h.id AND s.item = i.item AND
    (s.qty, i.price) IN ((1, 2.5), (2, 3.5), (3, NULL))""",
    """SELECT s.id FROM sales s, shops h, items i WHERE s.shop = h.id AND s.item = i.item AND
    s.day IN (DATE '2024-01-02', DATE '2024-01-09') OR h.region IS NULL""",
    """SELECT s.id FROM sales s, shops h, items i WHERE s.shop = h.id AND s.item = i.item AND NOT
    (h.region = 'north') AND NOT (i.price > 3 OR s.qty = 2)""",
    """SELECT s.id FROM sales s, shops h, items i WHERE s.shop = h.id AND s.item = i.item AND
    h.region IN (SELECT region FROM shops WHERE opened IS NOT NULL)""",
    """SELECT h.region, sum(i.price) FROM sales s INNER JOIN items i USING (item) INNER JOIN
    shops h ON s.shop = h.id GROUP BY h.region""",
    """SELECT item, count(*) FROM sales s JOIN items i USING (item) JOIN (SELECT DISTINCT item
    FROM sales WHERE qty = 3) z USING (item) GROUP BY item""",
    "SELECT item FROM sales s JOIN items i USING (item) JOIN shops h ON h.id = s.shop WHERE item > 2",
    """SELECT s.item, item FROM sales s LEFT JOIN items i USING (item), shops h WHERE h.id =
    s.shop AND i.price IS NULL""",
    """SELECT h.region r, max(s.amount) m FROM sales s JOIN shops h ON s.shop = h.id JOIN items i
    ON s.item = i.item GROUP BY h.region UNION SELECT h.region, min(s.amount) FROM sales s
    JOIN shops h ON s.shop = h.id JOIN items i ON s.item = i.item GROUP BY h.region ORDER BY
    r, m""",
    """SELECT * FROM (SELECT h.region r, max(s.amount) m FROM sales s JOIN shops h ON s.shop =
    h.id JOIN items i ON s.item = i.item GROUP BY h.region) a JOIN (SELECT h.region r,
    max(s.amount) m FROM sales s JOIN shops h ON s.shop = h.id JOIN items i ON s.item = i.item
    GROUP BY h.region) b USING (r)""",
    """WITH j AS (SELECT s.id, h.region, i.price FROM sales s JOIN shops h ON s.shop = h.id JOIN
    items i ON s.item = i.item) SELECT region, sum(price) FROM j GROUP BY region UNION ALL
    SELECT 'all', sum(price) FROM j""",
    """WITH j AS (SELECT s.id, h.region, i.price FROM sales s JOIN shops h ON s.shop = h.id JOIN
    items i ON s.item = i.item), k AS (SELECT * FROM j WHERE price > 2) SELECT k.region,
    count(*) FROM k JOIN j ON k.id = j.id GROUP BY ALL HAVING count(*) > 2""",
    """SELECT region, avg(c) FROM (SELECT h.region, s.shop, count(*) c FROM sales s JOIN shops h
    ON s.shop = h.id JOIN items i ON s.item = i.item GROUP BY h.region, s.shop) GROUP BY
    region""",
    """SELECT h.region, sum(sum(s.qty)) OVER (PARTITION BY h.region), rank() OVER (ORDER BY
    count(*)) FROM sales s JOIN shops h ON s.shop = h.id JOIN items i ON s.item = i.item GROUP
    BY h.region, i.price QUALIFY sum(s.qty) > 1""",
    """SELECT h.region, max(s.qty) + min(s.qty) * 2 AS x, CASE WHEN count(*) > 5 THEN 'many' END
    FROM sales s JOIN shops h ON s.shop = h.id JOIN items i ON s.item = i.item GROUP BY
    h.region""",
    """SELECT coalesce(h.region, 'none') AS region, sum(s.qty) FROM sales s JOIN shops h ON
    s.shop = h.id JOIN items i ON s.item = i.item GROUP BY coalesce(h.region, 'none')""",
    """SELECT h.region, (SELECT max(price) FROM items) - max(i.price) AS d FROM sales s JOIN
    shops h ON s.shop = h.id JOIN items i ON s.item = i.item GROUP BY h.region""",
    """SELECT h.region, count(DISTINCT i.price), sum(DISTINCT s.qty) FROM sales s JOIN shops h ON
    s.shop = h.id JOIN items i ON s.item = i.item GROUP BY h.region""",
    """SELECT count(*) c, sum(s.qty) + 0.5 FROM sales s JOIN shops h ON s.shop = h.id JOIN items
    i ON s.item = i.item HAVING count(*) > 1""",
    """SELECT max(s.qty) FROM sales s JOIN shops h ON s.shop = h.id JOIN items i ON s.item =
    i.item WHERE 1 = 0""",
    "SELECT 5 FROM sales s JOIN shops h ON s.shop = h.id JOIN items i ON s.item = i.item",
    "SELECT 5, 'a' FROM sales s JOIN shops h ON s.shop = h.id JOIN items i ON s.item = i.item LIMIT 0",
    """SELECT sum(x) FROM (SELECT s.qty x FROM sales s JOIN shops h ON s.shop = h.id JOIN items i
    ON s.item = i.item UNION ALL SELECT i.price FROM sales s JOIN shops h ON s.shop = h.id
    JOIN items i ON s.item = i.item)""",
    """select S.ID, H.NAME from sales s join shops h on s.shop = h.id join items i on s.item =
    i.item where S.QTY > 1""",
    """SELECT s.id AS "from", h.name AS "select", i.price AS "a b" FROM sales s JOIN shops h ON
    s.shop = h.id JOIN items i ON s.item = i.item ORDER BY "from", "a b", "select" """,
    """SELECT s.id reused_0, h.name AS c0 FROM sales s JOIN shops h ON s.shop = h.id JOIN items i
    ON s.item = i.item""",
    """WITH reused_0 AS (SELECT 1 AS c0, 2 AS shop) SELECT reused_0.c0, s.id FROM reused_0 JOIN
    sales s ON s.shop = reused_0.shop JOIN shops h ON h.id = s.shop""",
    """SELECT reused_0.id FROM sales reused_0 JOIN shops h ON h.id = reused_0.shop JOIN items i
    ON i.item = reused_0.item""",
    """SELECT h.name, (SELECT reused_0.name FROM shops reused_0 WHERE reused_0.id = 1) FROM sales
    s JOIN shops h ON h.id = s.shop JOIN items i ON i.item = s.item""",
    """SELECT (SELECT max(s2.qty) FROM sales s2, shops h2 WHERE s2.shop = h2.id AND h2.region =
    h.region) AS m FROM sales s, shops h WHERE s.shop = h.id""",
    """SELECT s.id FROM sales s, shops h WHERE s.shop = h.id AND s.qty > (SELECT avg(q) FROM
    (SELECT s2.qty AS q FROM sales s2, shops h2 WHERE s2.shop = h2.id) z)""",
    """SELECT a.n - b.n FROM (SELECT count(*) n FROM sales s, shops h WHERE s.shop = h.id AND
    s.qty = 1) a, (SELECT count(*) n FROM sales s, shops h WHERE s.shop = h.id AND s.qty = 2)
    b""",
    "SELECT count(*) AS n, count(*) AS n, sum(s.qty) FROM sales s JOIN shops h ON s.shop = h.id",
    """SELECT s.amount::DOUBLE d, avg(s.amount) OVER (PARTITION BY h.region) FROM sales s JOIN
    shops h ON s.shop = h.id""",
    """SELECT avg(s.amount), sum(s.amount::DOUBLE), var_pop(s.qty) FROM sales s JOIN shops h ON
    s.shop = h.id GROUP BY h.region""",
    """SELECT sum(s.qty::HUGEINT) * 1, sum(s.id::UBIGINT), sum(s.qty::TINYINT) FROM sales s JOIN
    shops h ON s.shop = h.id GROUP BY h.region""",
    """SELECT s.day::TIMESTAMP_S, s.day::TIMESTAMP_NS, TIME '10:00', INTERVAL 3 DAY,
    s.note::BLOB, NULL, [s.qty], {'a': s.day} FROM sales s JOIN shops h ON s.shop = h.id""",
    """SELECT g.x, count(*) FROM (SELECT s.qty AS x FROM sales s UNION ALL SELECT h.id FROM shops
    h) g GROUP BY g.x HAVING count(*) > 1 ORDER BY 2 DESC, 1 NULLS FIRST LIMIT 3""",
    """SELECT x FROM (SELECT shop AS x FROM sales EXCEPT SELECT id FROM shops) UNION ALL (SELECT
    id FROM shops INTERSECT SELECT shop FROM sales)""",
    "SELECT a: s.id, b: h.name FROM sales s JOIN shops h ON s.shop = h.id",
    "SELECT s.id, h.name, FROM sales s JOIN shops h ON s.shop = h.id",
    "SELECT s.id FROM sales s JOIN shops h ON s.shop = h.id OFFSET 100",
    "SELECT s.id FROM sales AS s JOIN shops AS h ON s.shop = h.id AND true WHERE true",
    "SELECT s.id FROM sales s JOIN shops h ON (s.shop = h.id AND s.qty > 1) OR h.region IS NULL",
    "SELECT s.id FROM sales s CROSS JOIN shops h WHERE h.id IS NULL",
    "SELECT s.id FROM sales s FULL JOIN shops h ON s.shop = h.id WHERE s.id IS NULL OR h.id IS NULL",
    "SELECT h.name FROM sales s RIGHT JOIN shops h ON s.shop = h.id, items i WHERE i.item = h.id",
    "SELECT s.shop, sum(s.qty) FROM sales s SEMI JOIN shops h ON s.shop = h.id GROUP BY s.shop",
    "SELECT region, count(*) FROM shops GROUP BY region HAVING region IS NULL OR count(*) > 1",
    """SELECT region, name FROM shops GROUP BY region, name HAVING (SELECT count(*) FROM sales
    WHERE sales.shop = 1) > 3""",
    "SELECT min(region) FILTER (WHERE id > 1), any_value(name ORDER BY id, name) FROM shops",
    "SELECT ALL region FROM shops WHERE region LIKE 'n%' ESCAPE '$'",
    "SELECT list_sort(list(DISTINCT region)) FROM shops",
    "SELECT count(DISTINCT (region, name)) FROM shops",
    """SELECT r.region, r.c FROM (SELECT region, count(*) c FROM shops GROUP BY ROLLUP (region))
    r WHERE r.region IS NULL""",
    """SELECT grouping(region) AS g, region, count(*) FROM shops GROUP BY ROLLUP (region) HAVING
    grouping(region) = 1 ORDER BY grouping(region), region""",
    "SELECT region, count(*) FROM shops GROUP BY region ORDER BY max(opened) DESC NULLS LAST, region",
    "SELECT region, count(*) FROM shops GROUP BY region ORDER BY region COLLATE NOCASE",
    "SELECT current_date > DATE '2020-01-01', count(*) FROM shops",
    """SELECT count(*) FROM shops h1 JOIN shops h2 ON h1.id = h2.id JOIN shops h3 ON h2.id =
    h3.id AND h3.region = 'south'""",
    """SELECT s.id FROM sales s JOIN (SELECT 1 AS a) info ON s.shop = info.a JOIN shops h ON h.id
    = s.shop JOIN items i ON i.item = s.item""",
    """SELECT s.id FROM sales s JOIN shops h ON h.id = s.shop JOIN items i ON i.item = s.item
    WHERE s.shop = 1""",
)
"""Windows over groups, QUALIFY, correlation, laterals, USING, shadowing, odd names, ties, samples."""
