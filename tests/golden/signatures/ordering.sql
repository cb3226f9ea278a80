-- name: ordered
-- expect: eligible
SELECT item, store FROM sales ORDER BY item, store

-- name: ordinals
-- same-as: ordered
SELECT item, store FROM sales ORDER BY (1), 2 ASC NULLS LAST

-- name: all
-- same-as: ordered
SELECT item, store FROM sales ORDER BY ALL

-- name: descending
-- differs-from: ordered
SELECT item, store FROM sales ORDER BY item DESC, store

-- name: nulls_first
-- differs-from: ordered
SELECT item, store FROM sales ORDER BY item NULLS FIRST, store

-- name: unordered
-- differs-from: ordered
SELECT item, store FROM sales

-- name: limited_total
-- expect: eligible
SELECT item, store FROM sales ORDER BY item, store LIMIT 2

-- name: limited_more
-- differs-from: limited_total
SELECT item, store FROM sales ORDER BY item, store LIMIT 3

-- name: limited_offset
-- differs-from: limited_total
SELECT item, store FROM sales ORDER BY item, store LIMIT 2 OFFSET 1

-- name: limited_percent
-- differs-from: limited_total
-- expect: eligible
SELECT item, store FROM sales ORDER BY item, store LIMIT 40 PERCENT

-- name: limited_percent_sign
-- same-as: limited_percent
SELECT item, store FROM sales ORDER BY item, store LIMIT 40%

-- name: limited_ties
-- expect: tied
SELECT item, store FROM sales ORDER BY item LIMIT 2

-- name: limited_without_order
-- expect: REUSE-104
SELECT item, store FROM sales LIMIT 2

-- name: limited_groups
-- expect: eligible
SELECT item, sum(quantity) FROM sales GROUP BY item ORDER BY item LIMIT 2

-- name: limited_groups_by_sum
-- expect: tied
SELECT item, store, sum(quantity) FROM sales GROUP BY item, store ORDER BY sum(quantity) LIMIT 2

-- name: one_row
-- expect: eligible
SELECT sum(quantity) FROM sales LIMIT 1

-- name: by_name_has_more_columns
-- expect: tied
SELECT item FROM sales UNION BY NAME SELECT item, amount FROM returned ORDER BY item LIMIT 1

-- name: limit_all
-- reject: REUSE-109
SELECT item FROM sales LIMIT ALL

-- name: sample_without_seed
-- expect: REUSE-105
SELECT item FROM sales USING SAMPLE 10 PERCENT (bernoulli)

-- name: sample_with_seed
-- expect: tied
SELECT item FROM sales TABLESAMPLE bernoulli(10 PERCENT) REPEATABLE (7)

-- name: limit_over_ordered_rows
-- expect: REUSE-104
-- withholds: derived_table
SELECT * FROM (SELECT item, sum(quantity) FROM sales GROUP BY item ORDER BY item) LIMIT 2

-- name: list_over_ordered_rows
-- expect: REUSE-103
-- withholds: derived_table
SELECT list(item) FROM (SELECT item FROM sales WHERE quantity > 1 ORDER BY item)

-- name: sampled_derived_table
-- expect: tied
-- withholds: derived_table
SELECT item FROM (SELECT item FROM sales WHERE quantity > 1) USING SAMPLE reservoir(2 ROWS) REPEATABLE (7)

-- name: ordered_inside
-- expect: tied
-- withholds: derived_table
SELECT item FROM (SELECT item FROM sales WHERE quantity > 1 ORDER BY item)

-- name: ordered_and_limited_inside
-- expect: eligible
-- shares: derived_table
SELECT item FROM (SELECT item, store FROM sales WHERE quantity > 1 ORDER BY item, store LIMIT 2)
