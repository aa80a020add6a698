--- Statements in PostgreSQL's own dialect.

-- CTE named as a table
WITH orders AS (SELECT order_id FROM orders WHERE total > 200) SELECT * FROM orders;

-- parameters
-- params: ["paid", 50]
SELECT order_id FROM orders WHERE status = $1 AND total > $2;

-- a parameter twice
-- params: ["DE", 5]
SELECT name FROM customers WHERE country = $1 OR (customer_id < $2 AND country <> $1);

-- a parameter with a cast
-- params: ["2026-01-01"]
SELECT count(*) FROM orders WHERE created_at < $1::timestamp;

-- a parameter in limit (ordered)
-- params: [3]
SELECT order_id FROM orders ORDER BY order_id LIMIT $1;

-- an array parameter
-- params: ["{1,2,3}"]
SELECT name FROM customers WHERE customer_id = ANY($1);

-- a boolean and a NULL parameter
-- params: [true, null]
SELECT count(*) FROM customers WHERE vip = $1 AND city IS DISTINCT FROM $2::text;

-- casts with colons
SELECT order_id::text, total::int, '42'::bigint, '1.5'::numeric(6,3), created_at::date FROM orders;

-- casts by other names
SELECT CAST(total AS double precision), CAST(order_id AS varchar(5)), CAST('t' AS boolean), CAST(1 AS smallint), CAST('x' AS char(3)), CAST(total AS real) FROM orders;

-- casts to dates and intervals
SELECT '2025-06-01'::date, '2025-06-01 10:00'::timestamp, '2025-06-01 10:00+02'::timestamptz, '1 day'::interval, '10:30'::time;

-- casts to uuid, json, bytea
SELECT 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, '{"a": 1}'::jsonb, '[1]'::json, '\xcafe'::bytea;

-- casts to arrays
SELECT '{1,2}'::int[], ARRAY['a', 'b']::text[], '{}'::numeric[];

-- typed literals
SELECT date '2025-06-01', timestamp '2025-06-01 12:00', interval '2 days', time '12:00', timestamptz '2025-01-01 00:00+00';

-- every type of the shop
SELECT * FROM customers WHERE customer_id < 10;

-- every type of an employee
SELECT * FROM employee_records;

-- char columns compare padded
SELECT name FROM employee_records WHERE department = 'sales';

-- distinct on (ordered)
SELECT DISTINCT ON (customer_id) customer_id, order_id, total FROM orders ORDER BY customer_id, total DESC NULLS LAST, order_id;

-- distinct on an expression (ordered)
SELECT DISTINCT ON (status, customer_id % 2) status, customer_id % 2 AS odd, order_id FROM orders ORDER BY status, customer_id % 2, order_id;

-- grouping sets
SELECT country, city, count(*) FROM customers GROUP BY GROUPING SETS ((country, city), (country), ());

-- rollup (ordered)
SELECT status, customer_id % 2 AS odd, sum(total) FROM orders GROUP BY ROLLUP (status, customer_id % 2) ORDER BY status NULLS LAST, odd NULLS LAST;

-- cube
SELECT country, vip, count(*) FROM customers GROUP BY CUBE (country, vip);

-- grouping
SELECT country, grouping(country) AS g, count(*) FROM customers GROUP BY ROLLUP (country);

-- group by a column and a rollup
SELECT vip, country, count(*) FROM customers GROUP BY vip, ROLLUP (country);

-- group by the key, select the rest
SELECT c.customer_id, c.name, count(o.order_id) FROM customers c LEFT JOIN orders o ON o.customer_id = c.customer_id GROUP BY c.customer_id, c.name;

-- having by grouping
SELECT status, count(*) FROM orders GROUP BY ROLLUP (status) HAVING grouping(status) = 0;

-- fetch first (ordered)
SELECT order_id FROM orders ORDER BY order_id FETCH FIRST 5 ROWS ONLY;

-- offset and fetch (ordered)
SELECT order_id FROM orders ORDER BY order_id OFFSET 5 ROWS FETCH NEXT 2 ROWS ONLY;

-- limit all
SELECT order_id FROM orders LIMIT ALL;

-- lateral
SELECT c.customer_id, x.order_id FROM customers c CROSS JOIN LATERAL (SELECT o.order_id FROM orders o WHERE o.customer_id = c.customer_id ORDER BY o.total DESC NULLS LAST, o.order_id LIMIT 2) x;

-- left join lateral
SELECT c.customer_id, x.n FROM customers c LEFT JOIN LATERAL (SELECT count(*) AS n FROM tickets t WHERE t.customer_id = c.customer_id HAVING count(*) > 1) x ON true;

-- a comma and lateral
SELECT c.name, l.last FROM customers c, LATERAL (SELECT max(placed_on) AS last FROM orders o WHERE o.customer_id = c.customer_id) l;

-- lateral of a lateral
SELECT c.customer_id, b.z FROM customers c, LATERAL (SELECT c.customer_id * 2 AS y) a, LATERAL (SELECT a.y + c.customer_id AS z) b;

-- extract
SELECT extract(year FROM created_at), extract(month FROM placed_on), extract(dow FROM placed_on), extract(epoch FROM created_at) FROM orders;

-- date_part
SELECT date_part('hour', created_at), date_part('week', placed_on) FROM orders;

-- date_trunc groups (ordered)
SELECT date_trunc('month', created_at) AS month, count(*), sum(total) FROM orders GROUP BY date_trunc('month', created_at) ORDER BY month;

-- date_trunc by position (ordered)
SELECT date_trunc('quarter', placed_on)::date AS quarter, count(*) FROM orders GROUP BY 1 ORDER BY 1;

-- to_char
SELECT to_char(created_at, 'YYYY-MM-DD HH24:MI'), to_char(total, 'FM999990.00'), to_char(placed_on, 'Dy') FROM orders;

-- to_date, to_timestamp, to_number
SELECT to_date('05/06/2025', 'DD/MM/YYYY'), to_timestamp(1750000000), to_timestamp('2025-01-02', 'YYYY-MM-DD'), to_number('1,234.5', '9,999.9');

-- dates made
SELECT make_date(2025, 2, 28), make_time(1, 2, 3.5), make_timestamp(2025, 1, 2, 3, 4, 5), make_interval(1, 2);

-- age and interval arithmetic
SELECT age(closed_at, opened_at), closed_at - opened_at, opened_at + interval '1 week', opened_at - 3 * interval '1 hour' FROM tickets;

-- age in days
SELECT ticket_id, extract(day FROM closed_at - opened_at) AS days FROM tickets WHERE closed_at IS NOT NULL;

-- date arithmetic
SELECT placed_on + 7, placed_on - date '2025-01-01', placed_on + interval '1 month' FROM orders;

-- interval with a unit
SELECT order_id FROM orders WHERE placed_on < date '2025-06-01' + interval '30' day;

-- now and its like
SELECT count(*) FROM orders WHERE created_at < now() AND placed_on <= current_date + 10000 AND created_at < localtimestamp + interval '1 day';

-- now relative
SELECT count(*) FROM orders WHERE created_at > now() - interval '100 years';

-- at time zone
SELECT seen_at AT TIME ZONE 'Europe/Berlin', created_at AT TIME ZONE 'UTC' FROM customers;

-- timestamps with zone compare
SELECT customer_id FROM customers WHERE seen_at >= '2026-01-03 00:00:00+01';

-- overlaps
SELECT ticket_id FROM tickets WHERE (opened_at, closed_at) OVERLAPS (timestamp '2026-01-10', timestamp '2026-01-12');

-- justify and isfinite
SELECT justify_hours(interval '50 hours'), justify_days(interval '40 days'), isfinite(date '2025-01-01');

-- ilike
SELECT ticket_id FROM tickets WHERE subject ILIKE '%REFUND%';

-- not ilike
SELECT ticket_id FROM tickets WHERE subject NOT ILIKE 'ticket 1%';

-- similar to
SELECT sku FROM products WHERE sku SIMILAR TO 'SKU-00(0|1)[1-5]';

-- regular expressions
SELECT ticket_id FROM tickets WHERE body ~ '[0-9]{3}' AND body !~* 'HELLO.*99' AND subject ~* 'REFUND';

-- regexp functions
SELECT regexp_replace(body, '[0-9]+', '#', 'g'), (regexp_match(body, 'order ([0-9]+)'))[1], regexp_split_to_array('a,b;c', '[,;]') FROM tickets;

-- substring forms
SELECT substring(sku FROM 5), substring(sku FROM 1 FOR 3), substring(sku, 2, 2), substring(body FROM '[0-9]+') FROM products, tickets WHERE ticket_id = 3;

-- position, overlay, trim forms
SELECT position('o' IN title), overlay(title PLACING 'XX' FROM 2 FOR 3), trim(both 'x' FROM 'xxaxx'), trim(leading 'x' FROM 'xxa'), trim(trailing 'z' FROM 'azz') FROM products;

-- string functions
SELECT initcap('ab cd'), lpad(sku, 12, '*'), rpad('a', 3), left(sku, 3), right(sku, 4), reverse('abc'), repeat('ab', 3), split_part(sku, '-', 2), strpos(sku, '0'), translate('abc', 'ab', 'xy') FROM products;

-- string lengths
SELECT char_length(name), octet_length(name), bit_length(name), ascii(name), chr(65) FROM customers;

-- format and quoting
SELECT format('%s has %s', name, country), quote_literal(name), concat_ws('/', city, country) FROM customers;

-- digests and encodings
SELECT md5(name), encode(sha256(name::bytea), 'hex'), encode(image, 'base64'), decode('cafe', 'hex') FROM customers, products WHERE customer_id = 1 AND product_id = 3;

-- escapes in strings
SELECT E'a\tb\\c', 'back\slash', $$dollar 'quoted'$$, $t$tag$t$;

-- starts with
SELECT name FROM customers WHERE starts_with(name, 'Customer 3') OR name ^@ 'O';

-- numeric functions
SELECT ceil(total), floor(total), ceiling(total), trunc(total, 1), mod(order_id, 7), power(2, 10), sqrt(16), cbrt(27), exp(0), ln(1), log(100), sign(total), div(order_id, 3) FROM orders;

-- numeric operators
SELECT 2 ^ 10, 7 % 3, 5 & 3, 5 | 3, 5 # 3, 1 << 4, 256 >> 2, ~5;

-- trigonometry
SELECT sin(0), cos(0), tan(0), pi() > 3.14, degrees(pi()), radians(180), atan2(0, 1);

-- greatest and least
SELECT greatest(order_id, customer_id, 100), least(total, 50) FROM orders;

-- width_bucket
SELECT width_bucket(total, 0, 400, 8) AS b, count(*) FROM orders WHERE total IS NOT NULL GROUP BY b;

-- gcd, lcm, factorial-free
SELECT gcd(order_id, 12), lcm(order_id, 4) FROM orders;

-- array literal and functions
SELECT ARRAY[1, 2, 3], array_length(tags, 1), cardinality(tags), array_to_string(tags, '+'), tags[1], tags[1:1] FROM customers;

-- array operators
SELECT customer_id FROM customers WHERE tags @> ARRAY['t1'] AND tags && ARRAY['all', 'none'] AND ARRAY['t1', 'all', 'x'] @> tags;

-- array functions
SELECT array_append(sizes, 9), array_prepend(0, sizes), array_cat(sizes, ARRAY[7]), array_remove(sizes, 3), array_position(sizes, 4), sizes || 5, array_upper(sizes, 1) FROM products;

-- any and all
SELECT customer_id FROM customers WHERE 't2' = ANY(tags) AND customer_id <> ALL(ARRAY[2, 5]);

-- any of a subquery
SELECT name FROM customers WHERE customer_id = ANY(SELECT customer_id FROM orders WHERE total > 300);

-- all of a subquery
SELECT order_id FROM orders WHERE total >= ALL(SELECT total FROM orders WHERE total IS NOT NULL);

-- like any
SELECT name FROM customers WHERE name LIKE ANY(ARRAY['%1', '%2']);

-- array of a subquery
SELECT c.customer_id, ARRAY(SELECT o.order_id FROM orders o WHERE o.customer_id = c.customer_id ORDER BY o.order_id) FROM customers c;

-- string_to_array
SELECT string_to_array('a,b,c', ','), (string_to_array(sku, '-'))[2] FROM products;

-- nested arrays
SELECT ARRAY[[1, 2], [3, 4]], (ARRAY[[1, 2], [3, 4]])[2][1];

-- unnest in from
SELECT c.customer_id, t.tag FROM customers c, unnest(c.tags) AS t(tag);

-- unnest with ordinality
SELECT p.product_id, u.size, u.n FROM products p CROSS JOIN LATERAL unnest(p.sizes) WITH ORDINALITY AS u(size, n);

-- unnest in the select list
SELECT customer_id, unnest(tags) AS tag FROM customers;

-- unnest counted (ordered)
SELECT tag, count(*) FROM customers, unnest(tags) AS tag GROUP BY tag ORDER BY tag;

-- unnest of two arrays
SELECT * FROM unnest(ARRAY[1, 2], ARRAY['a', 'b', 'c']) AS u(n, t);

-- generate_series of numbers
SELECT g FROM generate_series(1, 10, 3) AS g;

-- generate_series of dates (ordered)
SELECT d::date AS day, count(o.order_id) FROM generate_series(date '2025-06-01', date '2025-06-14', interval '1 day') AS d LEFT JOIN orders o ON o.placed_on = d::date GROUP BY d ORDER BY d;

-- generate_series with column name
SELECT s.n FROM generate_series(1, 5) AS s(n) WHERE s.n % 2 = 1;

-- generate_series in the select list
SELECT generate_series(1, 3) AS n;

-- jsonb operators
SELECT profile -> 'tags', profile ->> 'lang', profile #> '{tags,0}', profile #>> '{tags,1}' FROM customers;

-- jsonb contains and has
SELECT customer_id FROM customers WHERE profile @> '{"lang": "en"}' AND profile ? 'age' AND profile ?| ARRAY['age', 'x'] AND profile ?& ARRAY['age', 'lang'];

-- jsonb changed
SELECT profile || '{"x": 1}', profile - 'tags', profile #- '{tags,0}', jsonb_set(profile, '{lang}', '"fr"'), jsonb_strip_nulls(profile) FROM customers;

-- jsonb functions
SELECT jsonb_typeof(profile), jsonb_array_length(profile -> 'tags'), jsonb_extract_path_text(profile, 'lang'), jsonb_pretty(profile) FROM customers WHERE profile IS NOT NULL;

-- jsonb_array_elements
SELECT c.customer_id, e.value FROM customers c, jsonb_array_elements(c.profile -> 'tags') AS e;

-- jsonb_array_elements_text with a name
SELECT c.customer_id, t.tag FROM customers c CROSS JOIN LATERAL jsonb_array_elements_text(c.profile -> 'tags') AS t(tag);

-- json_array_elements of json
SELECT a.action_id, s ->> 'n' AS n FROM agent_actions a, json_array_elements(a.payload -> 'steps') AS s WHERE (s ->> 'ok')::boolean;

-- jsonb_each
SELECT p.product_id, e.key, e.value FROM products p, jsonb_each(p.attributes) AS e;

-- jsonb_each_text with names
SELECT k, v FROM products p, LATERAL jsonb_each_text(p.attributes) AS e(k, v) WHERE p.product_id = 4;

-- jsonb_object_keys
SELECT DISTINCT jsonb_object_keys(attributes) FROM products;

-- jsonb_object_keys in from
SELECT k, count(*) FROM products p, jsonb_object_keys(p.attributes) AS k GROUP BY k;

-- json made
SELECT json_build_object('id', order_id, 'status', status), jsonb_build_array(order_id, total), to_jsonb(total), to_json(status) FROM orders;

-- json aggregates
SELECT customer_id, json_agg(order_id ORDER BY order_id), jsonb_object_agg(order_id, status) FROM orders GROUP BY customer_id;

-- json path
SELECT jsonb_path_query_array(profile, '$.tags[*]'), jsonb_path_exists(profile, '$.age ? (@ > 30)'), profile @? '$.lang', profile @@ '$.age > 40' FROM customers;

-- string_agg and array_agg
SELECT customer_id, string_agg(status, ',' ORDER BY order_id), array_agg(order_id ORDER BY order_id DESC) FROM orders GROUP BY customer_id;

-- string_agg distinct
SELECT string_agg(DISTINCT status, ';') FROM orders;

-- array_agg with a filter
SELECT array_agg(order_id ORDER BY order_id) FILTER (WHERE status = 'open') FROM orders;

-- bool_and, bool_or, every
SELECT country, bool_and(vip), bool_or(vip), every(customer_id > 0) FROM customers GROUP BY country;

-- statistics
SELECT stddev(total), variance(total), stddev_pop(total), var_samp(total), corr(total, order_id), covar_pop(total, order_id) FROM orders;

-- regressions
SELECT regr_slope(total, order_id), regr_intercept(total, order_id), regr_count(total, order_id), regr_r2(total, order_id) FROM orders;

-- percentile_cont and percentile_disc
SELECT status, percentile_cont(0.5) WITHIN GROUP (ORDER BY total) AS median, percentile_disc(0.9) WITHIN GROUP (ORDER BY total) AS p90 FROM orders GROUP BY status;

-- several percentiles
SELECT percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY total) FROM orders;

-- mode
SELECT mode() WITHIN GROUP (ORDER BY status) FROM orders;

-- hypothetical rank
SELECT rank(100) WITHIN GROUP (ORDER BY total) FROM orders;

-- bit aggregates
SELECT bit_and(customer_id), bit_or(customer_id) FROM customers;

-- range frame with an interval
SELECT order_id, count(*) OVER (ORDER BY placed_on RANGE BETWEEN interval '7 days' PRECEDING AND CURRENT ROW) FROM orders;

-- a named window over another
SELECT order_id, sum(total) OVER (w ROWS UNBOUNDED PRECEDING) FROM orders WINDOW w AS (PARTITION BY status ORDER BY order_id);

-- window over distinct rows (ordered)
SELECT DISTINCT status, count(*) OVER (PARTITION BY status) AS n FROM orders ORDER BY status;

-- is unknown
SELECT customer_id FROM customers WHERE (credit > 100) IS UNKNOWN;

-- is distinct over rows
SELECT count(*) FROM orders WHERE (status, customer_id) IS DISTINCT FROM ('paid', 8);

-- row comparison
SELECT order_id FROM orders WHERE ROW(customer_id, order_id) < ROW(3, 100);

-- between symmetric by hand
SELECT order_id FROM orders WHERE total BETWEEN least(200, 100) AND greatest(200, 100);

-- boolean text
SELECT vip::text, NOT vip, vip AND true, vip OR NULL FROM customers;

-- alias of a table with columns
SELECT t.a, t.b FROM (SELECT order_id, status FROM orders) AS t(a, b) WHERE t.a < 5;

-- alias of a base table with columns
SELECT o.x, o.y FROM orders AS o(x, y) WHERE o.x < 4;

-- values as a table
SELECT v.name, v.n FROM (VALUES ('a', 1), ('b', 2)) AS v(name, n);

-- values joined
SELECT c.name, v.label FROM customers c JOIN (VALUES ('DE', 'Germany'), ('FR', 'France')) AS v(code, label) ON v.code = c.country;

-- values' own names
SELECT column1, column2 FROM (VALUES (1, 'x'), (2, 'y')) AS v;

-- schema-qualified
SELECT public.customers.name FROM public.customers WHERE public.customers.customer_id = 2;

-- quoted names
SELECT "c"."name" FROM "public"."customers" AS "c" WHERE "c"."customer_id" = 3;

-- folded names
SELECT NAME, Customers.CITY FROM CUSTOMERS WHERE Country = 'DE';

-- unnamed columns get the server's names
SELECT count(*), sum(total), upper(status), 1, order_id + 1, total::text, CASE WHEN true THEN 1 END, ARRAY[1], coalesce(total, 0), extract(year FROM placed_on), (SELECT 2), now() IS NOT NULL FROM orders WHERE order_id = 1 GROUP BY order_id, total, status, placed_on;

-- natural join with star
SELECT * FROM orders NATURAL JOIN (SELECT customer_id, name FROM customers) c;

-- full join using
SELECT ticket_id, note, subject FROM internal_notes FULL JOIN tickets USING (ticket_id);

-- using, and both sides by name
SELECT customer_id, o.customer_id, c.customer_id FROM orders o LEFT JOIN customers c USING (customer_id);

-- union with parentheses (ordered)
(SELECT order_id FROM orders ORDER BY order_id LIMIT 2) UNION ALL (SELECT ticket_id + 1000 FROM tickets ORDER BY ticket_id DESC LIMIT 2) ORDER BY 1;

-- intersect all and except all
SELECT customer_id FROM orders INTERSECT ALL SELECT customer_id FROM tickets EXCEPT ALL SELECT customer_id FROM customers WHERE vip;

-- precedence of intersect
SELECT customer_id FROM customers UNION SELECT customer_id FROM orders INTERSECT SELECT customer_id FROM tickets;

-- recursive CTE with an array path (ordered)
WITH RECURSIVE t AS (SELECT employee_id, ARRAY[employee_id] AS path FROM employee_records WHERE manager_id IS NULL UNION ALL SELECT e.employee_id, t.path || e.employee_id FROM employee_records e JOIN t ON e.manager_id = t.employee_id) SELECT employee_id, path FROM t ORDER BY path;

-- uuid compares
SELECT customer_id FROM customers WHERE uid = 'c4ca4238-a0b9-2382-0dcc-509a6f75849b';

-- uuid orders (ordered)
SELECT customer_id, uid FROM customers ORDER BY uid;

-- bytea functions
SELECT product_id, length(image), get_byte(image, 0), substring(image FROM 1 FOR 2) FROM products WHERE image IS NOT NULL;

-- numeric keeps its digits
SELECT 1.10::numeric, 0.1 + 0.2, 1e-20::numeric, 123456789012345678901234567890 AS big, round(2.5), round(-1.005, 2);

-- float specials
SELECT 'NaN'::float8, 'Infinity'::float8, '-Infinity'::float8;

-- division of integers
SELECT 7 / 2, -7 / 2, 7 % -3, 7.0 / 2;

-- collate
SELECT name FROM customers WHERE name < 'D' COLLATE "C";

-- regexp_split_to_table
SELECT w, count(*) FROM tickets t, regexp_split_to_table(t.subject, '\s+') AS w GROUP BY w;

-- string_to_table
SELECT s FROM string_to_table('a-b-c', '-') AS s;

-- regexp_matches in from
SELECT t.ticket_id, m[1] FROM tickets t, regexp_matches(t.body, '[0-9]+', 'g') AS m WHERE t.ticket_id < 6;

-- num_nulls
SELECT num_nulls(city, credit, email), num_nonnulls(city, credit) FROM customers;

-- ranges
SELECT int4range(1, 5) @> 3, daterange(date '2025-01-01', date '2025-02-01') && daterange(date '2025-01-15', NULL), lower(int4range(1, 5));

-- TPC-DS: rank within a rollup
SELECT sum(total) AS s, status, customer_id % 3 AS class, grouping(status) + grouping(customer_id % 3) AS lochierarchy, rank() OVER (PARTITION BY grouping(status) + grouping(customer_id % 3) ORDER BY sum(total) DESC) AS r FROM orders GROUP BY ROLLUP (status, customer_id % 3);

-- BI: Grafana's time bucket (ordered)
SELECT floor(extract(epoch FROM created_at) / 86400) * 86400 AS "time", count(*) AS value FROM orders WHERE created_at BETWEEN '2025-06-01T00:00:00Z' AND '2026-01-01T00:00:00Z' GROUP BY 1 ORDER BY 1;

-- BI: Superset's month (ordered)
SELECT DATE_TRUNC('month', placed_on) AS __timestamp, SUM(total) AS "SUM(total)" FROM public.orders WHERE placed_on >= TO_DATE('2025-06-01', 'YYYY-MM-DD') GROUP BY DATE_TRUNC('month', placed_on) ORDER BY __timestamp;

-- BI: Metabase's filters
SELECT COUNT(*) AS "count" FROM "public"."orders" WHERE ("public"."orders"."created_at" >= timestamp with time zone '2025-07-01 00:00:00.000Z') AND ("public"."orders"."status" = 'paid');

-- an agent: month over month (ordered)
WITH m AS (SELECT date_trunc('month', placed_on) AS month, SUM(total) AS revenue FROM orders GROUP BY 1) SELECT month, revenue, LAG(revenue) OVER (ORDER BY month) AS previous, ROUND(100.0 * (revenue - LAG(revenue) OVER (ORDER BY month)) / NULLIF(LAG(revenue) OVER (ORDER BY month), 0), 2) AS growth FROM m ORDER BY month;

-- an agent: average resolution time
SELECT priority, AVG(closed_at - opened_at) AS avg_time, EXTRACT(EPOCH FROM AVG(closed_at - opened_at)) / 3600 AS hours FROM tickets WHERE closed_at IS NOT NULL GROUP BY priority;

-- group by prefers the input column to the alias
SELECT customer_id % 2 AS status, count(*) FROM orders GROUP BY status, customer_id % 2;

-- order by prefers the alias to the input column (ordered)
SELECT -order_id AS order_id FROM orders WHERE total > 300 ORDER BY order_id;

-- order by an expression means the input column (ordered)
SELECT -order_id AS order_id FROM orders WHERE total > 300 ORDER BY order_id + 0;

-- a derived table with a name twice
SELECT x.name FROM (SELECT c.name, c.city, o.status FROM customers c JOIN orders o USING (customer_id)) x WHERE x.status = 'open';

-- lateral function of a lateral subquery
SELECT c.customer_id, g FROM customers c, LATERAL (SELECT count(*) AS n FROM orders o WHERE o.customer_id = c.customer_id) k, generate_series(1, k.n::int) AS g WHERE c.customer_id < 5;

-- any with an operator
SELECT order_id FROM orders WHERE order_id < ALL(ARRAY[5, 6]) OR status = ANY('{open}'::text[]);

-- a column named like a function
SELECT t.count, t.max FROM (SELECT count(*) AS count, max(total) AS max FROM orders) t;

-- a negative power
SELECT (-2) ^ 2, -(2 ^ 2), 2 ^ -1;

-- not binds after comparison
SELECT NOT vip = true, NOT (vip AND credit > 1) FROM customers;

-- concatenation binds before comparison
SELECT name || city = name || country FROM customers;

-- between binds before and
SELECT order_id FROM orders WHERE total BETWEEN 10 AND 50 AND status = 'paid' OR NOT total BETWEEN 5 AND 300;

-- casts bind first
SELECT -1::int, 2 * '3'::int, '1' || 2::text, order_id::text || '-' || status FROM orders WHERE order_id < 3;

-- json binds before comparison
SELECT customer_id FROM customers WHERE profile ->> 'lang' = 'en' AND (profile ->> 'age')::int > 25;

-- at time zone twice
SELECT created_at AT TIME ZONE 'UTC' AT TIME ZONE 'America/New_York' FROM orders WHERE order_id < 5;

-- distinct on with a window
SELECT DISTINCT ON (status) status, row_number() OVER (ORDER BY order_id) FROM orders ORDER BY status, order_id;

-- grouping sets of expressions with having
SELECT extract(year FROM placed_on) AS y, status, count(*) FROM orders GROUP BY GROUPING SETS ((extract(year FROM placed_on), status), (extract(year FROM placed_on))) HAVING count(*) > 3;

-- nested aggregates by derived tables
SELECT max(n), avg(n)::numeric(6,2) FROM (SELECT customer_id, count(DISTINCT status) AS n FROM orders GROUP BY customer_id) q;

-- an outer CTE inside a lateral
WITH big AS (SELECT * FROM orders WHERE total > 200) SELECT c.name, b.n FROM customers c CROSS JOIN LATERAL (SELECT count(*) AS n FROM big WHERE big.customer_id = c.customer_id) b;

-- union of different types
SELECT order_id, total FROM orders UNION ALL SELECT ticket_id, priority FROM tickets;

-- union of a null
SELECT NULL AS x, order_id FROM orders UNION ALL SELECT city, customer_id FROM customers;

-- a literal of unknown type in a derived table
SELECT x.kind, x.kind || '!' FROM (SELECT 'a' AS kind, order_id FROM orders) x WHERE x.kind = 'a';

-- a literal grouped
SELECT 'all' AS scope, count(*) FROM orders GROUP BY 1;

-- ilike and not like any
SELECT customer_id FROM customers WHERE name ILIKE ANY (ARRAY['%A%', '%1']) AND name NOT LIKE ANY (ARRAY['%2', '%3']);

-- like any of a subquery
SELECT customer_id FROM customers WHERE name LIKE ANY (SELECT '%' || customer_id::text FROM customers WHERE customer_id < 12);

-- order by a repeated correlated subquery
SELECT o.order_id, (SELECT c.country FROM customers c WHERE c.customer_id = o.customer_id) AS country FROM orders o ORDER BY (SELECT c.country FROM customers c WHERE c.customer_id = o.customer_id), 1;
