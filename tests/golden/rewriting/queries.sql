-- name: statement
-- kinds: statement
-- views: 1
SELECT region, count(*), max(opened) - min(opened) FROM shops GROUP BY region

-- name: cte_with_columns
-- kinds: cte
-- views: 1
WITH a(x, y) AS (SELECT shop, max(qty) FROM sales GROUP BY shop) SELECT x FROM a WHERE y > 1

-- name: cte_in_scope
-- kinds: derived_table
-- views: 1
WITH a AS (SELECT shop, qty FROM sales WHERE qty > 0), unused AS (SELECT 1 AS one)
SELECT t.m FROM (SELECT shop, max(qty) AS m FROM a GROUP BY shop) t WHERE t.shop > 1

-- name: shadowing_cte
-- kinds: derived_table
-- views: 1
WITH sales AS (SELECT shop, qty FROM sales WHERE qty > 1)
SELECT t.m FROM (SELECT shop, max(qty) AS m FROM sales GROUP BY shop) t

-- name: operands
-- kinds: set_operand
-- views: 2
SELECT shop, max(qty) FROM sales GROUP BY shop UNION ALL SELECT id, 0 FROM shops WHERE region = 'north'

-- name: union_in_from
-- kinds: derived_table
-- views: 1
SELECT u.shop FROM (SELECT shop FROM sales UNION SELECT id FROM shops) u WHERE u.shop > 1

-- name: correlated
-- kinds: subquery
-- views: 0
SELECT h.name, (SELECT max(qty) FROM sales s WHERE s.shop = h.id) AS m FROM shops h

-- name: in_subquery
-- kinds: subquery
-- views: 1
SELECT id FROM sales WHERE item IN (SELECT item FROM items WHERE price > 2)
