-- name: inner
-- expect: eligible
SELECT s.item, i.brand FROM sales s JOIN items i ON s.item = i.item WHERE s.quantity > 2

-- name: comma
-- same-as: inner
select A.Item, B.Brand from SALES a, Items b where 2 < a.quantity and b.item = a.item

-- name: other_order
-- same-as: inner
SELECT x.item, y.brand FROM items y INNER JOIN sales x ON (y.item = x.item) AND x.quantity > 2

-- name: other_table
-- differs-from: inner
SELECT s.item, i.amount FROM sales s JOIN returned i ON s.item = i.item WHERE s.quantity > 2

-- name: twin_one
SELECT s.item, t.city FROM sales s JOIN stores t USING (store)

-- name: twin_two
-- differs-from: twin_one
SELECT s.item, t.city FROM sales s JOIN stores_old t USING (store)

-- name: using_inner
-- expect: eligible
SELECT store, item, city FROM sales JOIN stores USING (store)

-- name: using_as_on
-- same-as: using_inner
SELECT sales.store, item, city FROM sales JOIN stores ON sales.store = stores.store

-- name: using_left
-- differs-from: using_inner
SELECT store, item, city FROM sales LEFT JOIN stores USING (store)

-- name: using_right
-- differs-from: using_left
-- expect: eligible
SELECT store, item, city FROM sales RIGHT JOIN stores USING (store)

-- name: using_right_as_left
-- same-as: using_right
SELECT stores.store, item, city FROM stores LEFT JOIN sales ON stores.store = sales.store

-- name: using_full
-- differs-from: using_right
-- expect: eligible
SELECT store, item, city FROM sales FULL JOIN stores USING (store)

-- name: natural
-- expect: eligible
SELECT * FROM sales NATURAL JOIN returned

-- name: natural_as_on
-- same-as: natural
SELECT sales.*, amount FROM sales JOIN returned r ON sales.item = r.item AND r.store = sales.store AND sales.day = r.day

-- name: left_condition
-- expect: eligible
SELECT s.item, i.brand FROM sales s LEFT JOIN items i ON s.item = i.item AND i.brand = 'Acme'

-- name: left_filter
-- differs-from: left_condition
SELECT s.item, i.brand FROM sales s LEFT JOIN items i ON s.item = i.item WHERE i.brand = 'Acme'

-- name: left_as_right
-- same-as: left_condition
SELECT s.item, i.brand FROM items i RIGHT JOIN sales s ON i.brand = 'Acme' AND i.item = s.item

-- name: computed_on_null_side
-- expect: eligible
SELECT s.item, q.one FROM sales s LEFT JOIN (SELECT item, 1 AS one FROM items) q ON s.item = q.item

-- name: computed_above_join
-- differs-from: computed_on_null_side
SELECT s.item, 1 FROM sales s LEFT JOIN items q ON s.item = q.item

-- name: right_after_comma
-- reject: REUSE-109
-- differs-from: right_after_cross
SELECT sales.item, stores.city FROM items, sales RIGHT JOIN stores ON sales.store = stores.store

-- name: right_after_cross
-- expect: eligible
SELECT sales.item, stores.city FROM items CROSS JOIN sales RIGHT JOIN stores ON sales.store = stores.store

-- name: semi
-- expect: eligible
SELECT item FROM sales SEMI JOIN items ON sales.item = items.item

-- name: anti
-- differs-from: semi
-- expect: eligible
SELECT item FROM sales ANTI JOIN items ON sales.item = items.item

-- name: lateral
-- expect: eligible
SELECT s.store, q.n FROM stores s, LATERAL (SELECT count(*) AS n FROM sales WHERE sales.store = s.store) q

-- name: lateral_left
-- differs-from: lateral
-- expect: eligible
SELECT s.store, q.n FROM stores s LEFT JOIN LATERAL (SELECT count(*) AS n FROM sales WHERE sales.store = s.store) q ON true

-- name: lateral_without_word
-- same-as: lateral
SELECT s.store, n FROM stores s, (SELECT count(*) AS n FROM sales WHERE s.store = sales.store)

-- name: asof
-- expect: eligible
SELECT s.item, r.amount FROM sales s ASOF JOIN returned r ON s.item = r.item AND s.day >= r.day

-- name: asof_other_side
-- differs-from: asof
SELECT s.item, r.amount FROM sales s ASOF JOIN returned r ON s.item = r.item AND s.day <= r.day

-- name: asof_left
-- differs-from: asof
-- expect: eligible
SELECT s.item, r.amount FROM sales s ASOF LEFT JOIN returned r ON s.item = r.item AND s.day >= r.day

-- name: asof_using
-- reject: REUSE-109
SELECT item, r.amount FROM sales s ASOF JOIN returned r USING (item, day)

-- name: positional
-- reject: REUSE-117
SELECT * FROM sales POSITIONAL JOIN items

-- name: self_join
-- expect: eligible
SELECT a.item FROM sales a JOIN sales b ON a.store = b.item WHERE a.quantity > 1

-- name: self_join_other_alias
-- same-as: self_join
SELECT b.item FROM sales a JOIN sales b ON b.store = a.item WHERE b.quantity > 1

-- name: self_join_crossed
-- differs-from: self_join
SELECT b.item FROM sales a JOIN sales b ON a.store = b.item WHERE a.quantity > 1

-- name: column_beside_merged
-- reject: REUSE-109
SELECT * FROM sales JOIN returned USING (item), items
