CREATE TABLE sales(item INT, store INT, day DATE, quantity INT, price DECIMAL(8, 2));
CREATE TABLE returned(item INT, store INT, day DATE, amount DECIMAL(8, 2));
CREATE TABLE items(item INT, brand VARCHAR, attributes STRUCT(color VARCHAR, size INT), tags VARCHAR[], counts INT[]);
CREATE TABLE stores(store INT, city VARCHAR, opened TIMESTAMP);
CREATE TABLE stores_old(store INT, city VARCHAR, opened TIMESTAMP);
INSERT INTO sales VALUES
    (1, 1, '2024-01-01', 2, 9.99), (1, 2, '2024-01-02', NULL, 5.00), (2, 1, '2024-01-02', 3, 1.50),
    (2, 1, '2024-01-02', 3, 1.50), (NULL, 1, '2024-01-03', 1, 2.00), (3, NULL, '2024-01-04', 7, NULL);
INSERT INTO returned VALUES
    (1, 1, '2024-01-05', 9.99), (2, 1, '2024-01-03', 1.50), (4, 3, '2024-01-03', 1.00), (1, 1, '2024-01-01', 3.00), (NULL, 1, NULL, 2.00);
INSERT INTO items VALUES
    (1, 'Acme', {color: 'red', size: 1}, ['a', 'b'], [1, 2, 3]), (2, 'acme', {color: 'blue', size: 2}, [], []),
    (3, 'Best', NULL, NULL, NULL), (5, NULL, {color: NULL, size: 2}, ['b'], [NULL, 4]);
INSERT INTO stores VALUES (1, 'Rome', '2020-01-01 10:00'), (2, 'Oslo', '2021-01-01'), (3, NULL, NULL);
INSERT INTO stores_old VALUES (1, 'Rome', '2020-01-01 10:00'), (4, 'Bern', NULL);
CREATE VIEW busy AS SELECT item, sum(quantity) AS total FROM sales GROUP BY item HAVING sum(quantity) > 2;
CREATE VIEW renamed(thing, much) AS SELECT item, quantity FROM sales WHERE quantity > 1;
CREATE MACRO twice(x) AS x * 2;
CREATE MACRO total(x) AS sum(x);
CREATE MACRO sales_of(n) AS TABLE SELECT * FROM sales WHERE item = n;
CREATE TEMPORARY TABLE scratch(item INT);
