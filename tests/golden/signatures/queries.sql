-- name: cte
-- expect: eligible
-- shares: cte
WITH big AS (SELECT item, sum(quantity) AS n FROM sales GROUP BY item) SELECT big.item FROM big WHERE n > 2

-- name: derived
-- same-as: cte
SELECT q.item FROM (SELECT item, sum(quantity) AS n FROM sales GROUP BY item) q WHERE q.n > 2

-- name: having
-- same-as: cte
SELECT item FROM sales GROUP BY item HAVING sum(quantity) > 2

-- name: view
-- same-as: cte
SELECT item FROM busy

-- name: view_with_names
-- expect: eligible
SELECT much FROM renamed WHERE thing = 1

-- name: view_text
-- same-as: view_with_names
SELECT quantity FROM sales WHERE item = 1 AND quantity > 1

-- name: cte_shadows_table
-- differs-from: cte
WITH sales AS (SELECT * FROM returned) SELECT item FROM sales GROUP BY item HAVING sum(amount) > 2

-- name: cte_hides_nothing_in_view
-- same-as: cte
WITH sales AS (SELECT 1 AS item, 2 AS quantity) SELECT item FROM busy

-- name: recursive
-- expect: REUSE-111
WITH RECURSIVE r AS (SELECT item FROM sales UNION SELECT r.item + 1 FROM r WHERE r.item < 9) SELECT * FROM r

-- name: beside_recursive
-- expect: REUSE-111
-- shares: cte
WITH RECURSIVE big AS (SELECT item, sum(quantity) AS n FROM sales GROUP BY item),
    r AS (SELECT item FROM big UNION SELECT r.item + 1 FROM r WHERE r.item < 9)
SELECT * FROM r

-- name: scalar
-- expect: eligible
SELECT item, (SELECT max(amount) FROM returned) FROM sales

-- name: correlated
-- differs-from: scalar
-- expect: eligible
SELECT item, (SELECT max(amount) FROM returned r WHERE r.item = s.item) FROM sales s

-- name: correlated_other_column
-- differs-from: correlated
SELECT item, (SELECT max(amount) FROM returned r WHERE r.item = s.store) FROM sales s

-- name: correlated_shadowed
-- differs-from: correlated
SELECT item, (SELECT max(amount) FROM returned s WHERE s.item = s.item) FROM sales s

-- name: in_subquery
-- expect: eligible
SELECT item FROM sales WHERE item IN (SELECT item FROM items)

-- name: not_in
-- differs-from: in_subquery
SELECT item FROM sales WHERE item NOT IN (SELECT item FROM items)

-- name: exists
-- expect: eligible
SELECT item FROM sales WHERE EXISTS (SELECT * FROM items i WHERE i.item = sales.item)

-- name: exists_other_columns
-- same-as: exists
SELECT s.item FROM sales s WHERE EXISTS (SELECT 1 FROM items WHERE s.item = items.item)

-- name: not_exists
-- differs-from: exists
SELECT item FROM sales WHERE NOT EXISTS (SELECT * FROM items i WHERE i.item = sales.item)

-- name: quantified
-- expect: eligible
SELECT item FROM sales WHERE price > ALL (SELECT amount FROM returned WHERE amount IS NOT NULL)

-- name: quantified_any
-- differs-from: quantified
SELECT item FROM sales WHERE price > ANY (SELECT amount FROM returned WHERE amount IS NOT NULL)

-- name: aggregate_of_outer_columns
-- reject: REUSE-109
SELECT (SELECT sum(s.quantity)) FROM sales s

-- name: array_subquery
-- reject: REUSE-109
SELECT ARRAY(SELECT item FROM sales ORDER BY item)

-- name: union_all
-- expect: eligible
-- shares: set_operand
SELECT item FROM sales UNION ALL SELECT item FROM returned

-- name: union_all_other_order
-- same-as: union_all
SELECT item FROM returned UNION ALL SELECT item FROM sales

-- name: union_distinct
-- differs-from: union_all
SELECT item FROM sales UNION SELECT item FROM returned

-- name: except
-- expect: eligible
SELECT item FROM sales EXCEPT SELECT item FROM returned

-- name: except_other_order
-- differs-from: except
SELECT item FROM returned EXCEPT SELECT item FROM sales

-- name: except_all
-- differs-from: except
SELECT item FROM sales EXCEPT ALL SELECT item FROM returned

-- name: intersect
-- differs-from: except
-- expect: eligible
SELECT item FROM sales INTERSECT SELECT item FROM returned

-- name: by_name
-- expect: eligible
SELECT item, store FROM sales UNION ALL BY NAME SELECT amount, item FROM returned

-- name: by_name_other_columns
-- differs-from: by_name
SELECT item, store FROM sales UNION ALL BY NAME SELECT amount AS store, item FROM returned

-- name: values
-- expect: REUSE-118
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) v(number, letter)

-- name: values_joined
-- expect: eligible
SELECT letter, quantity FROM sales JOIN (VALUES (1, 'a'), (2, 'b')) v(number, letter) ON item = number

-- name: from_first
-- expect: eligible
FROM sales SELECT item WHERE quantity > 1

-- name: nested_star
-- same-as: from_first
SELECT * FROM (SELECT * FROM (SELECT item FROM sales WHERE quantity > 1))

-- name: pivot
-- reject: REUSE-109
-- shares: derived_table
SELECT * FROM (SELECT item, store, quantity FROM (SELECT * FROM sales WHERE quantity > 1) q) PIVOT (sum(quantity) FOR store IN (1, 2))

-- name: unpivot
-- reject: REUSE-109
-- shares: cte
WITH w AS (SELECT item, sum(quantity) AS q, count(*) AS n FROM sales GROUP BY item) SELECT * FROM w UNPIVOT (v FOR k IN (q, n))
