-- Tables of some 100,000 rows with indices, joins, windows and a vacuum.
PRAGMA journal_mode = WAL;
PRAGMA threads = 2;
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL, note BLOB);
CREATE TABLE sale (item INTEGER, day INTEGER, amount INTEGER);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO item
SELECT i, printf('item %d of %x', i, i * 7919 % 65521), i * 31 % 1000 / 8.0, zeroblob(i % 700)
FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
INSERT INTO sale SELECT i * 7907 % 60000, i * 31 % 365, i % 17 FROM n;
COMMIT;
CREATE INDEX item_name ON item (name);
CREATE INDEX sale_item ON sale (item, day);
SELECT count(*), sum(length(note)) FROM item;
SELECT name, sum(amount * price) AS total FROM item JOIN sale ON item.id = sale.item
GROUP BY name ORDER BY total DESC, name LIMIT 50;
SELECT day, count(DISTINCT item), group_concat(DISTINCT amount) FROM sale GROUP BY day ORDER BY day;
SELECT a.day, sum(a.amount + b.amount) FROM sale a JOIN sale b ON a.item = b.item AND a.day < b.day
GROUP BY a.day ORDER BY 2 DESC, 1 LIMIT 20;
SELECT day, amount, rank() OVER (PARTITION BY day ORDER BY amount DESC, item) FROM sale
WHERE item < 50 ORDER BY 1, 2, 3;
UPDATE item SET name = upper(name) || '!' WHERE id % 3 = 0;
DELETE FROM item WHERE id % 5 = 0;
VACUUM;
PRAGMA integrity_check;
SELECT name FROM item WHERE name LIKE '%7F%' ORDER BY name LIMIT 100;
