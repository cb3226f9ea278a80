-- name: parquet
-- expect: eligible
SELECT item FROM read_parquet('sales/*.parquet') WHERE quantity > 1

-- name: parquet_other_files
-- differs-from: parquet
SELECT item FROM read_parquet('sales/2024-*.parquet') WHERE quantity > 1

-- name: parquet_with_option
-- differs-from: parquet
SELECT item FROM read_parquet('sales/*.parquet', union_by_name = true) WHERE quantity > 1

-- name: csv
-- differs-from: parquet
-- expect: eligible
SELECT item FROM read_csv('sales/*.parquet') WHERE quantity > 1

-- name: json
-- expect: eligible
SELECT item FROM read_json('sales.json')

-- name: ndjson
-- differs-from: json
SELECT item FROM read_ndjson('sales.json')

-- name: unknown_file
-- reject: REUSE-109
SELECT * FROM read_parquet('nothing.parquet')

-- name: range
-- expect: eligible
SELECT item, range FROM sales, range(3) WHERE range = quantity

-- name: range_longer
-- differs-from: range
SELECT item, range FROM sales, range(4) WHERE range = quantity

-- name: generate_series
-- differs-from: range
SELECT item, generate_series FROM sales, generate_series(3) WHERE generate_series = quantity

-- name: unnest
-- expect: eligible
SELECT item, tag FROM items, UNNEST(tags) u(tag)

-- name: unnest_other_list
-- differs-from: unnest
SELECT item, tag FROM items, UNNEST(counts) u(tag)

-- name: unnest_in_select
-- reject: REUSE-109
SELECT item, unnest(tags) FROM items

-- name: table_macro
-- reject: REUSE-109
SELECT * FROM sales_of(1)

-- name: unknown_table
-- reject: REUSE-107
SELECT * FROM nowhere

-- name: temporary
-- expect: REUSE-108
SELECT * FROM scratch

-- name: qualified
-- expect: eligible
SELECT main.sales.item FROM main.sales

-- name: unqualified
-- same-as: qualified
SELECT item FROM sales AS s

-- name: star_exclude
-- expect: eligible
SELECT * EXCLUDE (day, price) FROM sales

-- name: star_written_out
-- same-as: star_exclude
SELECT item, store, quantity FROM sales

-- name: star_replace
-- expect: eligible
SELECT * EXCLUDE (day, price) REPLACE (quantity + 1 AS quantity) FROM sales

-- name: star_exclude_of_one_table
-- reject: REUSE-109
SELECT * EXCLUDE (s.item) FROM sales s, items i

-- name: columns_by_pattern
-- reject: REUSE-109
SELECT COLUMNS('i.*') FROM sales
