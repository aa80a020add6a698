--- Statements in SQLite's own dialect.

-- parameters by position
-- params: ["paid", 50]
SELECT order_id FROM orders WHERE status = ? AND total > ?;

-- numbered parameters, one twice
-- params: ["DE", 5]
SELECT name FROM customers WHERE country = ?1 OR (customer_id < ?2 AND country <> ?1);

-- dollar parameters
-- params: [3]
SELECT name FROM customers WHERE customer_id = $1;

-- a NULL parameter
-- params: [null]
SELECT count(*) FROM customers WHERE city IS ?1;

-- parameters in the select list and limit (ordered)
-- params: ["x", 4]
SELECT ? AS label, order_id FROM orders ORDER BY order_id LIMIT ?;

-- a float parameter
-- params: [33.5]
SELECT product_id FROM products WHERE price > ?;

-- dates from texts
SELECT date(created_at), time(created_at), datetime(created_at) FROM orders;

-- dates with modifiers
SELECT date('2025-03-31', '+1 month'), date('2025-03-31', 'start of month', '+1 month', '-1 day'), datetime('2025-01-01 12:00', '-36 hours');

-- julianday differences
SELECT ticket_id, julianday(closed_at) - julianday(opened_at) AS days FROM tickets WHERE closed_at IS NOT NULL;

-- strftime groups (ordered)
SELECT strftime('%Y-%m', created_at) AS month, count(*), sum(total) FROM orders GROUP BY strftime('%Y-%m', created_at) ORDER BY month;

-- strftime weekday
SELECT strftime('%w', placed_on) AS weekday, count(*) FROM orders GROUP BY 1;

-- year as a number
SELECT CAST(strftime('%Y', placed_on) AS INTEGER) AS y, count(*) FROM orders GROUP BY y;

-- unixepoch and back
SELECT unixepoch(created_at), datetime(unixepoch(created_at), 'unixepoch') FROM orders;

-- timediff
SELECT timediff('2026-02-01', '2025-12-25 06:00');

-- dates relative to now
SELECT count(*) FROM orders WHERE created_at >= date('now', '-100 years');

-- current date and time
SELECT current_date IS NOT NULL AS d, current_time IS NOT NULL AS t, CURRENT_TIMESTAMP IS NOT NULL AS ts;

-- ifnull and iif
SELECT customer_id, ifnull(city, 'none'), iif(vip, 'vip', 'plain') FROM customers;

-- is and is not between values
SELECT customer_id FROM customers WHERE city IS 'Berlin' OR city IS NOT country;

-- double equals
SELECT customer_id FROM customers WHERE country == 'DE';

-- glob
SELECT sku FROM products WHERE sku GLOB 'SKU-00[01]*';

-- like ignores case
SELECT name FROM customers WHERE name LIKE 'customer 2%';

-- printf and format
SELECT printf('%05d|%-8s|%.2f', order_id, status, total), format('%x', order_id) FROM orders;

-- hex, quote, typeof
SELECT hex(image), quote(name_of), typeof(image) FROM (SELECT image, title AS name_of FROM products);

-- instr, unicode, char
SELECT instr(subject, ':'), unicode(subject), char(72, 105) FROM tickets;

-- substr from the end
SELECT substr(sku, -4), substr(sku, 2) FROM products;

-- trim with characters
SELECT trim('--a--', '-'), ltrim('--a', '-'), rtrim('a--', '-');

-- scalar min and max
SELECT min(order_id, customer_id), max(order_id, customer_id, 50) FROM orders;

-- bits
SELECT order_id & 6, order_id | 1, order_id << 2, order_id >> 1, ~order_id FROM orders;

-- a blob literal
SELECT x'CAFE' AS blob;

-- group_concat
SELECT status, group_concat(order_id) FROM (SELECT * FROM orders ORDER BY order_id) GROUP BY status;

-- group_concat with a separator and an order
SELECT customer_id, group_concat(status, '|' ORDER BY order_id) FROM orders GROUP BY customer_id;

-- group_concat distinct
SELECT length(group_concat(DISTINCT status)) FROM orders;

-- total
SELECT total(credit), total(NULL) FROM customers;

-- json_extract
SELECT product_id, json_extract(attributes, '$.colour'), json_extract(attributes, '$.dims[1]') FROM products;

-- json_extract of several paths
SELECT json_extract(attributes, '$.colour', '$.stock') FROM products;

-- json arrow
SELECT profile -> '$.tags', profile ->> '$.tags[0]' FROM customers;

-- json_type and json_valid
SELECT json_type(profile, '$.age'), json_valid(profile), json_array_length(profile, '$.tags') FROM customers;

-- json made
SELECT json_object('id', order_id, 'status', status), json_array(order_id, total, NULL) FROM orders;

-- json_group_array
SELECT customer_id, json_group_array(order_id ORDER BY order_id) FROM orders GROUP BY customer_id;

-- json_group_object
SELECT json_group_object(sku, price) FROM products;

-- json changed
SELECT json_set(attributes, '$.x', 1), json_remove(attributes, '$.dims'), json_patch(attributes, '{"colour":null}') FROM products;

-- json_each of a column
SELECT c.customer_id, t.value FROM customers c, json_each(c.profile, '$.tags') AS t;

-- json_each's columns
SELECT key, value, type, atom, fullkey, path FROM json_each('{"a":1,"b":[2,3]}');

-- json_each joined (ordered)
SELECT p.product_id, e.key, e.value FROM products p JOIN json_each(p.attributes) e ON e.key <> 'dims' ORDER BY p.product_id, e.key;

-- json_tree
SELECT fullkey, value FROM json_tree('{"a":{"b":[1,2]}}') WHERE atom IS NOT NULL;

-- json_tree of nested objects
SELECT a.action_id, t.value FROM agent_actions a, json_tree(a.payload) t WHERE t.key = 'n' AND a.action_id < 10;

-- in json_each by subquery
SELECT name FROM customers WHERE customer_id IN (SELECT value FROM json_each('[1,2,3]'));

-- a list parameter as JSON
-- params: ["[\"paid\",\"open\"]"]
SELECT order_id FROM orders WHERE status IN (SELECT value FROM json_each(?));

-- casts by affinity
SELECT CAST('12abc' AS INTEGER), CAST('1.5' AS REAL), CAST(12.5 AS TEXT), CAST('7' AS NUMERIC), CAST('x' AS BLOB);

-- casts by other names
SELECT CAST(total AS DECIMAL(10, 1)), CAST(order_id AS VARCHAR(10)), CAST(total AS FLOAT), CAST('2' AS BIGINT), CAST(total AS DOUBLE) FROM orders;

-- collate
SELECT email FROM customers WHERE email = 'user3@example.com' COLLATE NOCASE;

-- collate binary
SELECT email FROM customers WHERE email = 'user3@example.com' COLLATE BINARY;

-- a column's own collation
SELECT customer_id FROM customers WHERE email = 'user3@example.com';

-- a column's own collation orders (ordered)
SELECT email FROM customers WHERE email IS NOT NULL ORDER BY email;

-- a column's own collation joins
SELECT a.customer_id FROM customers a JOIN customers b ON a.email = b.email WHERE b.customer_id < 5;

-- a column's own collation groups
SELECT email, count(*) FROM (SELECT email FROM customers UNION ALL SELECT email FROM customers) GROUP BY email;

-- affinity of columns compares numbers with texts
SELECT order_id FROM orders WHERE order_id = '17';

-- affinity in a list
SELECT order_id FROM orders WHERE order_id IN ('1', 2, '3');

-- affinity of decimals
SELECT product_id FROM products WHERE price = '3.99' OR price < '8';

-- empty in
SELECT count(*) FROM orders WHERE order_id IN ();

-- limit with a comma (ordered)
SELECT order_id FROM orders ORDER BY order_id LIMIT 10, 5;

-- limit below zero means none
SELECT count(*) FROM (SELECT order_id FROM orders LIMIT -1 OFFSET 190);

-- bare columns with max
SELECT customer_id, max(total), order_id FROM orders WHERE total IS NOT NULL AND customer_id = 3;

-- unnamed expressions
SELECT count(*), order_id % 2, upper(status) FROM orders GROUP BY order_id % 2, upper(status);

-- unnamed expressions as written
SELECT  max( total )  ,sum(total)+1, "status"||'x', (order_id) FROM orders;

-- unnamed scalar subquery
SELECT (SELECT count(*) FROM tickets), CASE WHEN 1 THEN 2 END;

-- natural join with no common column
SELECT count(*) FROM (SELECT customer_id FROM customers) NATURAL JOIN (SELECT employee_id FROM employee_records);

-- full join using
SELECT ticket_id, note, subject FROM internal_notes FULL JOIN tickets USING (ticket_id);

-- alias used in where
SELECT order_id * 2 AS d FROM orders WHERE d > 390;

-- alias used in having
SELECT customer_id, sum(total) AS s FROM orders GROUP BY customer_id HAVING s > 500;

-- bracketed and back-quoted names
SELECT [order_id], `status` FROM orders WHERE [Coupon Code] = 'SAVE10';

-- schema-qualified
SELECT name FROM main.customers WHERE main.customers.customer_id = 2;

-- likelihood and friends
SELECT order_id FROM orders WHERE likely(status = 'paid') AND unlikely(total > 300);

-- soundex and unhex
SELECT soundex('Robert'), unhex('4142'), octet_length('é');

-- spider: concert style quotes
SELECT T1.name FROM customers AS T1 JOIN tickets AS T2 ON T1.customer_id = T2.customer_id GROUP BY T2.customer_id ORDER BY count(*) DESC, T1.customer_id LIMIT 1;

-- spider: not in with distinct
SELECT count(DISTINCT country) FROM customers WHERE country NOT IN (SELECT country FROM customers WHERE credit > 400);

-- an agent: cohort by month (ordered)
WITH firsts AS (SELECT customer_id, MIN(strftime('%Y-%m', placed_on)) AS cohort FROM orders GROUP BY customer_id) SELECT cohort, COUNT(*) AS customers FROM firsts GROUP BY cohort ORDER BY cohort;

-- an agent: days with a gap (ordered)
WITH d AS (SELECT DISTINCT placed_on FROM orders), g AS (SELECT placed_on, julianday(placed_on) - julianday(LAG(placed_on) OVER (ORDER BY placed_on)) AS gap FROM d) SELECT placed_on, gap FROM g WHERE gap > 2 ORDER BY placed_on;

-- an agent: resolution hours by priority (ordered)
SELECT COALESCE(priority, -1) AS p, ROUND(AVG((julianday(closed_at) - julianday(opened_at)) * 24), 1) AS hours FROM tickets WHERE closed_at IS NOT NULL GROUP BY p ORDER BY p;

-- values with names by CTE
WITH v AS (SELECT 1 AS a UNION ALL VALUES (2), (3)) SELECT sum(a) FROM v;

-- recursive dates (ordered)
WITH RECURSIVE days (d) AS (SELECT '2025-06-01' UNION ALL SELECT date(d, '+1 day') FROM days WHERE d < '2025-06-10') SELECT d, (SELECT count(*) FROM orders WHERE placed_on = d) AS n FROM days ORDER BY d;

-- recursive with limit
WITH RECURSIVE f (a, b) AS (SELECT 0, 1 UNION ALL SELECT b, a + b FROM f LIMIT 20) SELECT a FROM f;

-- rows that differ in type
SELECT typeof(x) FROM (SELECT 1 AS x UNION ALL SELECT 'a' UNION ALL SELECT 2.5 UNION ALL SELECT NULL UNION ALL SELECT x'00');

-- not glob as one operator
SELECT sku FROM products WHERE sku NOT GLOB '*1';

-- isnull and notnull as operators
SELECT customer_id FROM customers WHERE city ISNULL OR credit NOTNULL;

-- is takes its operand whole
SELECT customer_id, city IS NULL + 1, city IS NOT NULL = 0, credit IS 1 = 1, NOT city IS NULL FROM customers;

-- shifts and what binds tighter or weaker
SELECT order_id << 1 + 1, order_id >> 1 = 2, order_id | 1 << 2 & 3, -order_id << 2, order_id << 2 || '1' FROM orders;

-- is distinct from, and truth
SELECT city IS DISTINCT FROM country, city IS NOT DISTINCT FROM 'Berlin', (customer_id > 3) IS TRUE, (customer_id > 3) IS NOT FALSE, customer_id IS (TRUE) FROM customers;
