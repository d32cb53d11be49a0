-- tables.sql: a shop in memory, :rows orders: inserts, indexes, updates, deletes, joins, sorts.
-- Prints a row of sums for each question.
.bail on
CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT, town TEXT);
CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INTEGER, day INTEGER, note TEXT);
CREATE TABLE lines(orders INTEGER, article TEXT, amount INTEGER, price REAL);

WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :rows / 10)
INSERT INTO customers SELECT n, 'customer ' || (n * 7919 % 10007), 'town ' || (n * 31 % 97) FROM c;
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :rows)
INSERT INTO orders SELECT n, n * 7919 % (:rows / 10), n * 104729 % 365,
    replace(hex(zeroblob(n * 31 % 60)), '0', 'ab') || n FROM c;
INSERT INTO lines SELECT orders.id, 'article ' || ((orders.id * 17 + value) % 1009),
    (orders.id + value) % 9 + 1, (orders.id * 13 + value * 7) % 1000 / 8.0
    FROM orders, json_each('[1,2,3,4]') WHERE value <= orders.id % 4 + 1;

CREATE INDEX orders_customer ON orders(customer, day);
CREATE INDEX lines_orders ON lines(orders);
CREATE INDEX lines_article ON lines(article, price);

UPDATE orders SET note = upper(note) || '-' || day WHERE id % 3 = 0;
DELETE FROM lines WHERE orders % 11 = 0;
SELECT count(*), sum(length(note)) FROM orders;

SELECT count(*), sum(turnover), max(name) FROM (
    SELECT town, max(name) AS name, sum(amount * price) AS turnover
    FROM customers JOIN orders ON orders.customer = customers.id
    JOIN lines ON lines.orders = orders.id GROUP BY town ORDER BY turnover DESC LIMIT 20);
SELECT count(*), sum(days), sum(length(notes)) FROM (
    SELECT customer, count(DISTINCT day) AS days, group_concat(note, ';') AS notes
    FROM orders GROUP BY customer);
SELECT sum(place * price) FROM (
    SELECT price, row_number() OVER (PARTITION BY article ORDER BY price, orders) AS place
    FROM lines);
SELECT count(*), sum(length(document)) FROM (
    SELECT json_object('town', town, 'names', json_group_array(name)) AS document
    FROM customers GROUP BY town);
SELECT count(*) FROM orders WHERE note LIKE '%AB12%' OR note GLOB '*ab[0-9]9*';
