-- name: plain
-- expect: eligible
SELECT item, store, sum(quantity) FROM sales GROUP BY item, store

-- name: by_ordinal
-- same-as: plain
SELECT item, store, sum(quantity) FROM sales GROUP BY 1, (2)

-- name: all
-- same-as: plain
SELECT item, store, sum(quantity) FROM sales GROUP BY ALL

-- name: other_order
-- same-as: plain
SELECT item, store, sum(quantity) FROM sales GROUP BY store, item

-- name: one_key_less
-- differs-from: plain
SELECT item, min(store), sum(quantity) FROM sales GROUP BY item

-- name: rollup
-- differs-from: plain
-- expect: eligible
SELECT item, store, sum(quantity), grouping(store) FROM sales GROUP BY ROLLUP (item, store)

-- name: rollup_as_sets
-- same-as: rollup
SELECT item, store, sum(quantity), GROUPING(store) FROM sales GROUP BY GROUPING SETS ((), (item), (store, item))

-- name: rollup_other_order
-- differs-from: rollup
SELECT item, store, sum(quantity), grouping(store) FROM sales GROUP BY ROLLUP (store, item)

-- name: cube
-- differs-from: rollup
-- expect: eligible
SELECT item, store, sum(quantity), grouping(store) FROM sales GROUP BY CUBE (item, store)

-- name: key_and_rollup
-- differs-from: rollup
SELECT item, store, sum(quantity), grouping(store) FROM sales GROUP BY item, ROLLUP (store)

-- name: set_twice
-- expect: eligible
SELECT item, sum(quantity) FROM sales GROUP BY GROUPING SETS ((item), (item))

-- name: set_once
-- differs-from: set_twice
SELECT item, sum(quantity) FROM sales GROUP BY item

-- name: alias_of_a_column
-- expect: eligible
SELECT store AS item, count(*) FROM sales GROUP BY store

-- name: alias_hidden_by_column
-- differs-from: alias_of_a_column
-- expect: eligible
SELECT store AS item, count(*) FROM sales GROUP BY item, store

-- name: distinct_aggregate
-- differs-from: set_once
-- expect: eligible
SELECT item, sum(DISTINCT quantity) FROM sales GROUP BY item

-- name: filtered_aggregate
-- differs-from: set_once
-- expect: eligible
SELECT item, sum(quantity) FILTER (WHERE store = 1) FROM sales GROUP BY item

-- name: having
-- differs-from: set_once
SELECT item, sum(quantity) FROM sales GROUP BY item HAVING count(*) > 1

-- name: having_in_where
-- differs-from: having
SELECT item, sum(quantity) FROM sales WHERE quantity > 1 GROUP BY item

-- name: order_dependent
-- expect: REUSE-103
SELECT item, first(quantity) FROM sales GROUP BY item

-- name: ordered_list
-- expect: eligible
SELECT item, list(quantity ORDER BY quantity) FROM sales GROUP BY item

-- name: list_in_unstated_order
-- differs-from: ordered_list
-- expect: REUSE-103
SELECT item, list(quantity) FROM sales GROUP BY item

-- name: distinct
-- expect: eligible
SELECT DISTINCT item, store FROM sales

-- name: not_distinct
-- differs-from: distinct
SELECT item, store FROM sales

-- name: distinct_on
-- expect: eligible
SELECT DISTINCT ON (item) item, quantity FROM sales ORDER BY item, quantity

-- name: distinct_on_ordinal
-- same-as: distinct_on
SELECT DISTINCT ON (1) item, quantity FROM sales ORDER BY 1, 2

-- name: distinct_on_other_column
-- differs-from: distinct_on
SELECT DISTINCT ON (quantity) item, quantity FROM sales ORDER BY item, quantity

-- name: distinct_on_groups
-- reject: REUSE-109
SELECT DISTINCT ON (item) item, sum(quantity) FROM sales GROUP BY item, store HAVING count(*) > 0

-- name: macro_over_aggregate
-- reject: REUSE-109
SELECT item, total(quantity) FROM sales GROUP BY item
