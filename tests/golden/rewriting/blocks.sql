-- name: core
-- kinds: core
-- views: 1
SELECT h.region, s.qty * 2 AS twice FROM sales s JOIN shops h ON s.shop = h.id WHERE s.amount > 10

-- name: core_counted
-- kinds: core
-- views: 1
SELECT count(*) FROM sales s, shops h WHERE s.shop = h.id

-- name: outer_join
-- kinds: core
-- views: 1
SELECT s.id, h.name FROM sales s LEFT JOIN shops h ON s.shop = h.id AND h.region = 'north' WHERE s.qty = 1

-- name: grouping
-- kinds: aggregate
-- views: 1
SELECT h.region, sum(s.qty) FROM sales s JOIN shops h ON s.shop = h.id GROUP BY h.region HAVING count(*) > 3

-- name: rollup
-- kinds: aggregate
-- views: 1
SELECT shop, item, max(qty) AS m, GROUPING(shop) AS g FROM sales WHERE amount > 50 GROUP BY ROLLUP (shop, item)

-- name: window_over_groups
-- kinds: aggregate
-- views: 1
SELECT shop, sum(sum(qty)) OVER (ORDER BY shop) AS running FROM sales GROUP BY shop

-- name: join_subset
-- kinds: join_subset
-- views: 1
SELECT h.region, i.price FROM sales s JOIN shops h ON s.shop = h.id
JOIN items i ON s.item = i.item AND i.price > 2 WHERE s.qty > 0 AND (h.region = 'north' OR i.price > 3)

-- name: block_inside_a_block
-- kinds: core, subquery
-- views: 2
SELECT s.id, (SELECT max(price) FROM items WHERE price < 5) AS p FROM sales s, shops h WHERE s.shop = h.id
