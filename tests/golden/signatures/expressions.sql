-- name: predicates
-- expect: eligible
SELECT item FROM sales WHERE quantity BETWEEN 2 AND 5 AND store IN (1, 2, 3) AND NOT item = 4 AND price > 1.5

-- name: predicates_otherwise
-- same-as: predicates
SELECT item FROM sales WHERE 1.5 < price AND (item <> 4) AND ((store IN (3, 1, 2, 1)) AND quantity >= 2 AND 5 >= quantity)

-- name: predicates_or
-- differs-from: predicates
SELECT item FROM sales WHERE quantity BETWEEN 2 AND 5 AND store IN (1, 2, 3) OR NOT item = 4 AND price > 1.5

-- name: between_of_two_types
-- expect: eligible
SELECT item FROM sales WHERE quantity BETWEEN 2 AND 5.5

-- name: two_comparisons_of_two_types
-- differs-from: between_of_two_types
SELECT item FROM sales WHERE quantity >= 2 AND quantity <= 5.5

-- name: null_safe
-- expect: eligible
SELECT item FROM sales WHERE quantity IS NOT DISTINCT FROM store

-- name: equal
-- differs-from: null_safe
SELECT item FROM sales WHERE quantity = store

-- name: casts
-- expect: eligible
SELECT CAST(quantity AS BIGINT), price::DOUBLE, TRY_CAST(day AS VARCHAR) FROM sales

-- name: casts_otherwise
-- same-as: casts
SELECT quantity::bigint, CAST(price AS FLOAT8), try_cast(day AS TEXT) FROM sales

-- name: casts_to_other_types
-- differs-from: casts
SELECT quantity::INT, price::FLOAT, TRY_CAST(day AS VARCHAR) FROM sales

-- name: try_cast
-- differs-from: casts
SELECT TRY_CAST(quantity AS BIGINT), price::DOUBLE, CAST(day AS VARCHAR) FROM sales

-- name: structs_and_lists
-- expect: eligible
SELECT attributes.color, items.attributes.size, tags[1], tags[-1], counts[1:2], {a: item, b: brand} FROM items

-- name: other_elements
-- differs-from: structs_and_lists
SELECT attributes.color, items.attributes.size, tags[2], tags[-1], counts[1:2], {a: item, b: brand} FROM items

-- name: struct_or_column
-- expect: eligible
SELECT stores.city FROM stores, items

-- name: lambda
-- expect: eligible
SELECT list_transform(counts, lambda x: x + item) FROM items

-- name: lambda_renamed
-- same-as: lambda
SELECT list_transform(counts, lambda y: y + item) FROM items

-- name: lambda_other
-- differs-from: lambda
SELECT list_transform(counts, lambda x: x + x) FROM items

-- name: comprehension
-- expect: eligible
SELECT [x * 2 FOR x IN counts IF x > 1] FROM items

-- name: comprehension_other
-- differs-from: comprehension
SELECT [x * 2 FOR x IN counts IF x > 2] FROM items

-- name: collate
-- expect: eligible
SELECT brand FROM items WHERE brand COLLATE NOCASE = 'acme'

-- name: no_collate
-- differs-from: collate
SELECT brand FROM items WHERE brand = 'acme'

-- name: like
-- expect: eligible
SELECT brand FROM items WHERE brand LIKE 'a%'

-- name: ilike
-- differs-from: like
SELECT brand FROM items WHERE brand ILIKE 'a%'

-- name: case
-- expect: eligible
SELECT CASE WHEN quantity > 2 THEN 'many' WHEN quantity > 1 THEN 'some' ELSE 'few' END FROM sales

-- name: case_other_order
-- differs-from: case
SELECT CASE WHEN quantity > 1 THEN 'some' WHEN quantity > 2 THEN 'many' ELSE 'few' END FROM sales

-- name: dates
-- expect: eligible
SELECT item FROM sales WHERE day > DATE '2024-01-01' + INTERVAL 3 DAY AND date_trunc('month', day) = day

-- name: dates_other_unit
-- differs-from: dates
SELECT item FROM sales WHERE day > DATE '2024-01-01' + INTERVAL 3 MONTH AND date_trunc('month', day) = day

-- name: unit_from_a_column
-- reject: REUSE-109
SELECT date_trunc(brand, opened) FROM items, stores

-- name: time_zone
-- expect: eligible
SELECT opened AT TIME ZONE 'UTC' FROM stores

-- name: other_time_zone
-- differs-from: time_zone
SELECT opened AT TIME ZONE 'Europe/Oslo' FROM stores

-- name: parameters
-- expect: eligible
SELECT item FROM sales WHERE quantity > $least

-- name: other_parameter
-- differs-from: parameters
SELECT item FROM sales WHERE quantity > $most

-- name: unnamed_parameters
-- expect: tied
SELECT item FROM sales WHERE quantity > ? AND store = ?

-- name: macro
-- expect: eligible
SELECT twice(quantity) FROM sales

-- name: macro_text
-- differs-from: macro
SELECT quantity * 2 FROM sales

-- name: volatile
-- expect: REUSE-101
SELECT item FROM sales WHERE random() < 0.5

-- name: clock
-- expect: REUSE-102
SELECT item FROM sales WHERE day < today()

-- name: equals_twice
-- expect: eligible
SELECT item FROM sales WHERE quantity == 2

-- name: precedence_unclear
-- reject: REUSE-109
SELECT ~quantity + store FROM sales

-- name: double_equals_in_chain
-- reject: REUSE-109
SELECT quantity || store == item FROM sales

-- name: concatenation
-- expect: eligible
SELECT brand || '-' || item + 1 FROM items
