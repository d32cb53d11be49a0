-- What pgbench left, and queries that hash, sort, aggregate and run in parallel.
SELECT md5(string_agg(aid || ':' || abalance, ',' ORDER BY aid)) FROM pgbench_accounts;
SELECT * FROM pgbench_tellers ORDER BY tid;
SELECT count(*), sum(delta) FROM pgbench_history;
SELECT bid, count(*), sum(abalance), md5(string_agg(filler, '' ORDER BY aid)) FROM pgbench_accounts
GROUP BY bid ORDER BY bid;
SELECT count(*), sum(a.abalance * b.aid) FROM pgbench_accounts a
JOIN pgbench_accounts b ON a.aid = b.aid + 1 WHERE b.aid % 3 = 0;
SET work_mem = '1MB';
SELECT x % 100, count(DISTINCT md5(x::text)) FROM generate_series(1, 100000) x
GROUP BY 1 ORDER BY 1;
SELECT md5(jsonb_agg(jsonb_build_object('n', x, 't', repeat('ab', x % 50)) ORDER BY x)::text)
FROM generate_series(1, 20000) x;
SELECT count(*) FROM generate_series(1, 50000) x
WHERE repeat(md5(x::text), 4) ~ '([0-9a-f])\1\1[a-f]+0';
DO $$
DECLARE t text := '';
BEGIN
	FOR i IN 1..5000 LOOP
		BEGIN
			t := t || i;
			IF i % 5 = 0 THEN RAISE EXCEPTION 'no %', i; END IF;
		EXCEPTION WHEN others THEN t := right(t, 1000);
		END;
	END LOOP;
	CREATE TEMP TABLE result AS SELECT t AS text;
END $$;
SELECT md5(text) FROM result;
