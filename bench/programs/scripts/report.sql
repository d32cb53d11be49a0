-- report.sql: what a report asks of pgbench's tables: hashes, sorts, strings and JSON in memory.
\set first random(1, 150000)
BEGIN;
SELECT count(*), sum(length(line)) FROM (
    SELECT a.bid, string_agg(md5(a.aid::text) || b.filler, ',' ORDER BY a.abalance, a.aid) AS line
    FROM pgbench_accounts a JOIN pgbench_accounts b ON b.aid = a.aid + 1
    WHERE a.aid BETWEEN :first AND :first + 4000 GROUP BY a.bid, a.aid % 100) AS lines;
SELECT length(jsonb_agg(jsonb_build_object('account', aid, 'text', repeat('ab', aid % 50)))::text)
    FROM pgbench_accounts WHERE aid BETWEEN :first AND :first + 1000;
SELECT count(*) FROM regexp_matches(repeat('a text of words ', 300), '(\w+) (of|no) ', 'g');
END;
