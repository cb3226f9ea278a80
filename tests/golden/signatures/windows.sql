-- name: running
-- expect: eligible
SELECT item, sum(quantity) OVER (PARTITION BY store ORDER BY day) FROM sales

-- name: named
-- same-as: running
SELECT item, sum(quantity) OVER w FROM sales WINDOW w AS (PARTITION BY store ORDER BY day)

-- name: named_and_extended
-- same-as: running
SELECT item, sum(quantity) OVER (w ORDER BY day) FROM sales WINDOW w AS (PARTITION BY store)

-- name: other_partition
-- differs-from: running
SELECT item, sum(quantity) OVER (PARTITION BY item ORDER BY day) FROM sales

-- name: no_partition
-- differs-from: running
SELECT item, sum(quantity) OVER (ORDER BY day) FROM sales

-- name: descending
-- differs-from: running
SELECT item, sum(quantity) OVER (PARTITION BY store ORDER BY day DESC) FROM sales

-- name: nulls_first
-- differs-from: running
SELECT item, sum(quantity) OVER (PARTITION BY store ORDER BY day NULLS FIRST) FROM sales

-- name: frame
-- differs-from: running
-- expect: eligible
SELECT item, sum(quantity) OVER (PARTITION BY store ORDER BY day RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW) FROM sales

-- name: frame_of_two_days
-- differs-from: frame
SELECT item, sum(quantity) OVER (PARTITION BY store ORDER BY day RANGE BETWEEN INTERVAL 2 DAY PRECEDING AND CURRENT ROW) FROM sales

-- name: frame_with_exclusion
-- differs-from: frame
SELECT item, sum(quantity) OVER (PARTITION BY store ORDER BY day RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM sales

-- name: rows_between_ties
-- expect: tied
SELECT item, sum(quantity) OVER (ORDER BY day ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM sales

-- name: row_number_without_order
-- expect: REUSE-117
SELECT item, row_number() OVER () FROM sales

-- name: row_number_over_unique_key
-- expect: eligible
SELECT item, row_number() OVER (ORDER BY item) FROM sales GROUP BY item

-- name: rank_of_sums
-- expect: eligible
SELECT item, rank() OVER (ORDER BY sum(quantity) DESC) FROM sales GROUP BY item

-- name: qualify
-- expect: eligible
SELECT item FROM sales QUALIFY rank() OVER (PARTITION BY store ORDER BY price) = 1

-- name: qualify_as_derived
-- same-as: qualify
SELECT item FROM (SELECT item, rank() OVER (PARTITION BY store ORDER BY price) AS r FROM sales) WHERE r = 1

-- name: qualify_other
-- differs-from: qualify
SELECT item FROM sales QUALIFY dense_rank() OVER (PARTITION BY store ORDER BY price) = 1

-- name: filter_below_window
-- differs-from: filter_above_window
-- expect: eligible
SELECT item, r FROM (SELECT item, rank() OVER (ORDER BY price) AS r FROM sales WHERE store = 1)

-- name: filter_above_window
-- expect: eligible
SELECT item, r FROM (SELECT item, store, rank() OVER (ORDER BY price) AS r FROM sales) WHERE store = 1

-- name: ignore_nulls
-- expect: tied
SELECT item, first_value(quantity IGNORE NULLS) OVER (ORDER BY day) FROM sales
