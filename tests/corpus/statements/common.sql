--- Statements that both dialects take. `-- name` opens one, a line that ends in `;` closes it.

-- one column
SELECT name FROM customers;

-- every column of a table
SELECT * FROM products;

-- every column of one of two tables
SELECT o.*, c.name FROM orders o JOIN customers c ON c.customer_id = o.customer_id;

-- stars of both tables, names twice
SELECT * FROM tickets t JOIN internal_notes n ON n.ticket_id = t.ticket_id;

-- star and an expression
SELECT *, quantity * unit_price AS amount FROM order_items;

-- qualified names
SELECT orders.order_id, orders.status FROM orders WHERE orders.status = 'paid';

-- an alias hides the table's name
SELECT o.order_id FROM orders AS o WHERE o.total > 100;

-- column aliases, with and without AS
SELECT name AS customer, city town FROM customers;

-- a quoted column with a space
SELECT order_id, "Coupon Code" FROM orders WHERE "Coupon Code" IS NOT NULL;

-- a quoted alias
SELECT status AS "Order Status", count(*) AS "How many" FROM orders GROUP BY status;

-- names in any case
SELECT Name, CITY FROM Customers WHERE Country = 'DE';

-- keywords in lower case
select name from customers where country = 'FR' order by name limit 3;

-- comments of both kinds
SELECT name /* the name */ FROM customers -- all of them
WHERE country = 'DE';

-- literals of each kind
SELECT 1 AS i, -2 AS n, 3.5 AS d, 'it''s' AS s, NULL AS none, 1e3 AS e FROM customers WHERE customer_id = 1;

-- no table at all
SELECT 1 AS one, 'two' AS two;

-- arithmetic
SELECT order_id, total * 2 + 1 - 3, total / 2, order_id % 7, -order_id FROM orders;

-- arithmetic keeps its parentheses
SELECT order_id - (customer_id - 1) - 2, (order_id + 1) * 2, 100 / (line_count + 1) FROM (SELECT order_id, customer_id, 4 AS line_count FROM orders) x;

-- concatenation
SELECT name || ' <' || coalesce(email, '?') || '>' AS contact FROM customers;

-- order by a column (ordered)
SELECT customer_id, name FROM customers ORDER BY customer_id;

-- order by two columns and directions (ordered)
SELECT order_id, status, total FROM orders ORDER BY status DESC, order_id ASC;

-- order by position (ordered)
SELECT status, order_id FROM orders ORDER BY 1, 2 DESC;

-- order by an alias (ordered)
SELECT order_id, coalesce(total, 0) * 2 AS twice FROM orders ORDER BY twice DESC, order_id;

-- order by an expression (ordered)
SELECT order_id FROM orders ORDER BY order_id % 10, order_id;

-- order by a column that is not selected (ordered)
SELECT name FROM customers ORDER BY created_at, customer_id;

-- nulls first (ordered)
SELECT customer_id, credit FROM customers ORDER BY credit NULLS FIRST, customer_id;

-- nulls last, downwards (ordered)
SELECT customer_id, credit FROM customers ORDER BY credit DESC NULLS LAST, customer_id;

-- limit (ordered)
SELECT order_id FROM orders ORDER BY order_id DESC LIMIT 5;

-- limit and offset (ordered)
SELECT order_id FROM orders ORDER BY order_id LIMIT 5 OFFSET 10;

-- limit nothing
SELECT order_id FROM orders LIMIT 0;

-- limit by an expression (ordered)
SELECT order_id FROM orders ORDER BY order_id LIMIT 2 + 1;

-- distinct
SELECT DISTINCT city FROM customers;

-- distinct pairs (ordered)
SELECT DISTINCT country, vip FROM customers ORDER BY country, vip;

-- comparison and logic
SELECT order_id FROM orders WHERE (status = 'paid' OR status = 'open') AND NOT total < 50 AND customer_id <> 3;

-- both spellings of inequality
SELECT count(*) FROM orders WHERE status != 'paid' AND status <> 'open';

-- between
SELECT order_id FROM orders WHERE total BETWEEN 50 AND 100;

-- not between
SELECT order_id FROM orders WHERE order_id NOT BETWEEN 10 AND 190;

-- between texts that are dates
SELECT order_id FROM orders WHERE placed_on BETWEEN '2025-07-01' AND '2025-09-30';

-- in a list
SELECT order_id FROM orders WHERE status IN ('paid', 'shipped');

-- not in a list
SELECT order_id FROM orders WHERE customer_id NOT IN (1, 2, 3);

-- like
SELECT ticket_id FROM tickets WHERE subject LIKE '%refund%';

-- like with an escape
SELECT ticket_id FROM tickets WHERE subject LIKE '%50!%%' ESCAPE '!';

-- like with an underscore
SELECT customer_id FROM customers WHERE name LIKE 'Customer 1_';

-- not like
SELECT ticket_id FROM tickets WHERE body NOT LIKE '%arrive%';

-- is null and is not null
SELECT customer_id FROM customers WHERE city IS NULL AND credit IS NOT NULL;

-- is distinct from
SELECT customer_id FROM customers WHERE city IS DISTINCT FROM 'Berlin';

-- is not distinct from
SELECT customer_id FROM customers WHERE city IS NOT DISTINCT FROM NULL;

-- null comes out of a comparison
SELECT customer_id, credit > 100 AS rich FROM customers;

-- case with conditions
SELECT order_id, CASE WHEN total IS NULL THEN 'none' WHEN total < 100 THEN 'small' ELSE 'large' END AS size FROM orders;

-- case with an operand
SELECT order_id, CASE status WHEN 'paid' THEN 1 WHEN 'open' THEN 2 END AS code FROM orders;

-- case within case
SELECT customer_id, CASE WHEN country = 'DE' THEN CASE WHEN vip THEN 'a' ELSE 'b' END ELSE 'c' END AS class FROM customers;

-- coalesce and nullif
SELECT customer_id, coalesce(city, country, 'x') AS place, nullif(country, 'DE') AS abroad FROM customers;

-- cast to integer
SELECT CAST(price AS INTEGER) AS whole FROM products;

-- cast to text
SELECT CAST(order_id AS TEXT) || '!' AS t FROM orders;

-- string functions
SELECT upper(name), lower(email), length(name), trim('  x '), replace(name, 'Customer', 'C'), substr(name, 1, 3) FROM customers;

-- trim of characters by function
SELECT ltrim('xxabc', 'x'), rtrim('abcxx', 'x') FROM customers WHERE customer_id < 3;

-- numeric functions
SELECT abs(-order_id), round(total, 1), sign(order_id - 50) FROM orders;

-- concat functions
SELECT concat(name, '-', city), concat_ws(', ', city, country) FROM customers;

-- inner join
SELECT o.order_id, c.name FROM orders o INNER JOIN customers c ON o.customer_id = c.customer_id;

-- left join
SELECT c.customer_id, o.order_id FROM customers c LEFT JOIN orders o ON o.customer_id = c.customer_id AND o.status = 'paid';

-- left join finds who is missing
SELECT c.customer_id FROM customers c LEFT JOIN orders o ON o.customer_id = c.customer_id WHERE o.order_id IS NULL;

-- right join
SELECT o.order_id, c.customer_id FROM orders o RIGHT JOIN customers c ON c.customer_id = o.customer_id;

-- full join
SELECT n.note_id, t.ticket_id FROM internal_notes n FULL OUTER JOIN tickets t ON t.ticket_id = n.ticket_id;

-- cross join
SELECT c.country, p.product_id FROM customers c CROSS JOIN products p WHERE c.customer_id < 4;

-- comma join
SELECT o.order_id, i.line FROM orders o, order_items i WHERE i.order_id = o.order_id AND o.status = 'open';

-- join using
SELECT order_id, customer_id, name FROM orders JOIN customers USING (customer_id);

-- join using, and star
SELECT * FROM order_items JOIN products USING (product_id) WHERE quantity > 4;

-- using two columns
SELECT a.quantity, b.quantity FROM order_items a JOIN order_items b USING (order_id, line) WHERE order_id < 5;

-- natural join
SELECT order_id, sku FROM order_items NATURAL JOIN products;

-- natural left join, and star
SELECT * FROM internal_notes NATURAL LEFT JOIN (SELECT ticket_id, subject FROM tickets WHERE state = 'open') t;

-- five tables
SELECT c.name, p.title, i.quantity, t.subject FROM customers c JOIN orders o ON o.customer_id = c.customer_id JOIN order_items i ON i.order_id = o.order_id JOIN products p ON p.product_id = i.product_id LEFT JOIN tickets t ON t.customer_id = c.customer_id WHERE o.status = 'paid';

-- self join
SELECT e.name, m.name AS manager FROM employee_records e LEFT JOIN employee_records m ON m.employee_id = e.manager_id;

-- parenthesised join
SELECT c.customer_id, i.product_id FROM customers c LEFT JOIN (orders o JOIN order_items i ON i.order_id = o.order_id) ON o.customer_id = c.customer_id;

-- join on an inequality
SELECT a.employee_id, b.employee_id FROM employee_records a JOIN employee_records b ON a.salary < b.salary AND a.department = b.department;

-- count star
SELECT count(*) FROM orders;

-- count a column
SELECT count(total), count(DISTINCT customer_id) FROM orders;

-- all the plain aggregates
SELECT count(*) AS n, sum(total) AS s, avg(total) AS a, min(total) AS lo, max(total) AS hi FROM orders;

-- aggregates over nothing
SELECT count(*), sum(total), max(status) FROM orders WHERE order_id < 0;

-- group by (ordered)
SELECT status, count(*) AS n, sum(total) AS total FROM orders GROUP BY status ORDER BY status;

-- group by position (ordered)
SELECT country, city, count(*) FROM customers GROUP BY 1, 2 ORDER BY 1, 2;

-- group by an alias
SELECT customer_id % 3 AS bucket, count(*) FROM customers GROUP BY bucket;

-- group by an expression
SELECT order_id % 5, min(order_id) FROM orders GROUP BY order_id % 5;

-- having
SELECT customer_id, count(*) AS n FROM orders GROUP BY customer_id HAVING count(*) > 5;

-- having without a group
SELECT sum(total) FROM orders HAVING count(*) > 1;

-- having on an aggregate that isn't selected
SELECT status FROM orders GROUP BY status HAVING max(total) > 300;

-- order by an aggregate (ordered)
SELECT status, count(*) FROM orders GROUP BY status ORDER BY count(*) DESC, status;

-- sum of a case
SELECT sum(CASE WHEN status = 'paid' THEN 1 ELSE 0 END) AS paid, sum(CASE WHEN status = 'open' THEN total END) AS open FROM orders;

-- filter
SELECT count(*) FILTER (WHERE status = 'paid') AS paid, sum(total) FILTER (WHERE status = 'open' AND total > 50) AS open FROM orders;

-- filter by group (ordered)
SELECT customer_id, count(*) FILTER (WHERE status <> 'cancelled') AS live FROM orders GROUP BY customer_id ORDER BY customer_id;

-- aggregate of an expression over a join (ordered)
SELECT p.category, sum(i.quantity * i.unit_price) AS revenue FROM order_items i JOIN products p ON p.product_id = i.product_id GROUP BY p.category ORDER BY revenue DESC;

-- ratio of aggregates
SELECT status, 100.0 * count(*) / (SELECT count(*) FROM orders) AS share FROM orders GROUP BY status;

-- scalar subquery in the select list
SELECT c.name, (SELECT count(*) FROM orders o WHERE o.customer_id = c.customer_id) AS orders FROM customers c;

-- scalar subquery in where
SELECT order_id FROM orders WHERE total > (SELECT avg(total) FROM orders);

-- correlated scalar subquery in where
SELECT o.order_id FROM orders o WHERE o.total = (SELECT max(x.total) FROM orders x WHERE x.customer_id = o.customer_id);

-- in a subquery
SELECT name FROM customers WHERE customer_id IN (SELECT customer_id FROM orders WHERE status = 'open');

-- not in a subquery
SELECT name FROM customers WHERE customer_id NOT IN (SELECT customer_id FROM orders WHERE total > 100);

-- exists
SELECT c.name FROM customers c WHERE EXISTS (SELECT 1 FROM tickets t WHERE t.customer_id = c.customer_id AND t.state = 'open');

-- not exists with star
SELECT c.name FROM customers c WHERE NOT EXISTS (SELECT * FROM orders o WHERE o.customer_id = c.customer_id);

-- exists two deep
SELECT c.customer_id FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.customer_id AND EXISTS (SELECT 1 FROM order_items i WHERE i.order_id = o.order_id AND i.quantity > c.customer_id % 5));

-- row in a subquery
SELECT order_id FROM orders WHERE (customer_id, status) IN (SELECT customer_id, 'paid' FROM customers WHERE vip);

-- a row compared
SELECT order_id, line FROM order_items WHERE (order_id, line) > (185, 2);

-- subquery in order by (ordered)
SELECT o.order_id FROM orders o WHERE o.order_id < 20 ORDER BY (SELECT c.name FROM customers c WHERE c.customer_id = o.customer_id), o.order_id;

-- subquery in group by
SELECT (SELECT c.country FROM customers c WHERE c.customer_id = o.customer_id) AS country, count(*) FROM orders o GROUP BY (SELECT c.country FROM customers c WHERE c.customer_id = o.customer_id);

-- subquery in having
SELECT customer_id FROM orders GROUP BY customer_id HAVING sum(total) > (SELECT avg(total) * 5 FROM orders);

-- subquery in case
SELECT customer_id, CASE WHEN EXISTS (SELECT 1 FROM tickets t WHERE t.customer_id = c.customer_id) THEN 'yes' ELSE 'no' END AS asked FROM customers c;

-- subquery in join on
SELECT o.order_id, c.name FROM orders o JOIN customers c ON c.customer_id = o.customer_id AND c.customer_id IN (SELECT customer_id FROM tickets WHERE priority = 2);

-- subquery in limit (ordered)
SELECT order_id FROM orders ORDER BY order_id LIMIT (SELECT count(*) / 20 FROM customers);

-- subquery in a function's argument
SELECT coalesce((SELECT max(total) FROM orders o WHERE o.customer_id = c.customer_id), 0) AS best FROM customers c;

-- subquery in filter
SELECT count(*) FILTER (WHERE customer_id IN (SELECT customer_id FROM customers WHERE vip)) AS of_vips FROM orders;

-- derived table
SELECT x.status, x.n FROM (SELECT status, count(*) AS n FROM orders GROUP BY status) AS x WHERE x.n > 10;

-- derived table within a derived table
SELECT avg(per.n) FROM (SELECT q.customer_id, count(*) AS n FROM (SELECT * FROM orders WHERE status <> 'cancelled') q GROUP BY q.customer_id) per;

-- derived tables joined
SELECT a.customer_id, a.n, b.m FROM (SELECT customer_id, count(*) AS n FROM orders GROUP BY customer_id) a JOIN (SELECT customer_id, count(*) AS m FROM tickets GROUP BY customer_id) b ON a.customer_id = b.customer_id;

-- an outer alias inside a derived table's name
SELECT orders.n FROM (SELECT count(*) AS n FROM orders) AS orders;

-- CTE
WITH paid AS (SELECT * FROM orders WHERE status = 'paid') SELECT customer_id, sum(total) FROM paid GROUP BY customer_id;

-- two CTEs, the second of the first
WITH o AS (SELECT customer_id, total FROM orders), s AS (SELECT customer_id, sum(total) AS t FROM o GROUP BY customer_id) SELECT c.name, s.t FROM s JOIN customers c ON c.customer_id = s.customer_id;

-- CTE with column names
WITH t (who, how_much) AS (SELECT customer_id, total FROM orders) SELECT who, max(how_much) FROM t GROUP BY who;

-- CTE used twice
WITH t AS (SELECT customer_id, count(*) AS n FROM orders GROUP BY customer_id) SELECT a.customer_id FROM t a WHERE a.n = (SELECT max(b.n) FROM t b);

-- CTE within a subquery
SELECT name FROM customers WHERE customer_id IN (WITH v AS (SELECT customer_id FROM orders WHERE total > 300) SELECT customer_id FROM v);

-- CTE materialized
WITH m AS MATERIALIZED (SELECT order_id, total FROM orders) SELECT count(*) FROM m WHERE total > 10;

-- CTE not materialized
WITH m AS NOT MATERIALIZED (SELECT order_id, total FROM orders) SELECT count(*) FROM m WHERE total > 10;

-- recursive CTE counts
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT i FROM n;

-- recursive CTE over managers (ordered)
WITH RECURSIVE chain AS (SELECT employee_id, name, 0 AS depth FROM employee_records WHERE manager_id IS NULL UNION ALL SELECT e.employee_id, e.name, chain.depth + 1 FROM employee_records e JOIN chain ON e.manager_id = chain.employee_id) SELECT employee_id, name, depth FROM chain ORDER BY employee_id;

-- recursive CTE with union
WITH RECURSIVE up (id) AS (SELECT 12 UNION SELECT e.manager_id FROM employee_records e JOIN up ON up.id = e.employee_id WHERE e.manager_id IS NOT NULL) SELECT name FROM employee_records WHERE employee_id IN (SELECT id FROM up);

-- a series joined to data (ordered)
WITH RECURSIVE m (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM m WHERE n < 4) SELECT m.n, count(o.order_id) FROM m LEFT JOIN orders o ON o.order_id % 5 = m.n GROUP BY m.n ORDER BY m.n;

-- union
SELECT city FROM customers UNION SELECT department FROM employee_records;

-- union all with order (ordered)
SELECT customer_id AS id, 'c' AS kind FROM customers UNION ALL SELECT employee_id, 'e' FROM employee_records ORDER BY kind, id;

-- intersect
SELECT customer_id FROM orders INTERSECT SELECT customer_id FROM tickets;

-- except
SELECT customer_id FROM customers EXCEPT SELECT customer_id FROM orders;

-- three set operations
SELECT customer_id FROM orders WHERE status = 'paid' UNION SELECT customer_id FROM tickets WHERE state = 'open' EXCEPT SELECT customer_id FROM customers WHERE vip;

-- union in a derived table
SELECT count(*) FROM (SELECT customer_id FROM orders UNION ALL SELECT customer_id FROM tickets) u;

-- union in a subquery
SELECT name FROM customers WHERE customer_id IN (SELECT customer_id FROM orders WHERE total > 300 UNION SELECT customer_id FROM tickets WHERE priority = 3);

-- union with limit (ordered)
SELECT order_id FROM orders UNION SELECT ticket_id FROM tickets ORDER BY 1 DESC LIMIT 4;

-- values
VALUES (1, 'a'), (2, 'b');

-- values in a CTE
WITH v (id, label) AS (VALUES (1, 'one'), (2, 'two')) SELECT v.label, c.name FROM v JOIN customers c ON c.customer_id = v.id;

-- in values
SELECT name FROM customers WHERE customer_id IN (VALUES (1), (2), (5));

-- row_number (ordered)
SELECT order_id, row_number() OVER (ORDER BY order_id) AS rn FROM orders ORDER BY order_id;

-- rank and dense_rank
SELECT order_id, rank() OVER (ORDER BY total) AS r, dense_rank() OVER (ORDER BY total) AS d FROM orders WHERE total IS NOT NULL;

-- row_number per partition
SELECT * FROM (SELECT order_id, customer_id, row_number() OVER (PARTITION BY customer_id ORDER BY total DESC, order_id) AS n FROM orders WHERE total IS NOT NULL) t WHERE n = 1;

-- running sum
SELECT order_id, sum(total) OVER (ORDER BY order_id) AS running FROM orders;

-- sum over a partition
SELECT order_id, total, sum(total) OVER (PARTITION BY customer_id) AS of_customer FROM orders;

-- moving average by rows
SELECT order_id, avg(total) OVER (ORDER BY order_id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS a3 FROM orders;

-- unbounded frame
SELECT order_id, max(total) OVER (ORDER BY order_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM orders;

-- range frame
SELECT order_id, count(*) OVER (ORDER BY order_id RANGE BETWEEN 5 PRECEDING AND 5 FOLLOWING) AS near FROM orders;

-- groups frame
SELECT order_id, count(*) OVER (ORDER BY status GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) AS n FROM orders;

-- frame with one bound
SELECT order_id, sum(order_id) OVER (ORDER BY order_id ROWS 3 PRECEDING) FROM orders;

-- lag and lead
SELECT order_id, lag(order_id) OVER (ORDER BY order_id) AS before, lead(order_id, 2, 0) OVER (ORDER BY order_id) AS after FROM orders;

-- first, last and nth value
SELECT order_id, first_value(order_id) OVER w AS f, last_value(order_id) OVER w AS l, nth_value(order_id, 2) OVER w AS n FROM orders WINDOW w AS (PARTITION BY status ORDER BY order_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING);

-- ntile, percent_rank, cume_dist
SELECT order_id, ntile(4) OVER (ORDER BY order_id), percent_rank() OVER (ORDER BY order_id), cume_dist() OVER (ORDER BY order_id) FROM orders;

-- window of a window
SELECT ticket_id, count(*) OVER w, row_number() OVER (w ORDER BY ticket_id) FROM tickets WINDOW w AS (PARTITION BY state);

-- window over an aggregate (ordered)
SELECT status, count(*) AS n, sum(count(*)) OVER () AS everything FROM orders GROUP BY status ORDER BY status;

-- rank over an aggregate (ordered)
SELECT customer_id, sum(total) AS s, rank() OVER (ORDER BY sum(total) DESC) AS r FROM orders WHERE total IS NOT NULL GROUP BY customer_id ORDER BY r, customer_id;

-- aggregate with filter over a window
SELECT order_id, count(*) FILTER (WHERE status = 'paid') OVER (ORDER BY order_id) AS paid_so_far FROM orders;

-- window in order by (ordered)
SELECT ticket_id FROM tickets ORDER BY row_number() OVER (PARTITION BY state ORDER BY ticket_id), ticket_id;

-- share of the whole
SELECT status, sum(total) * 100.0 / sum(sum(total)) OVER () AS percent FROM orders GROUP BY status;

-- current timestamp compares
SELECT count(*) FROM orders WHERE created_at < CURRENT_TIMESTAMP;

-- string_agg of one group
SELECT string_agg(sku, ',' ORDER BY sku) FROM products;

-- a lookup by key
SELECT name, email FROM customers WHERE customer_id = 7;

-- unicode comes through
SELECT name FROM customers WHERE name IN ('Łukasz Żak', '山田太郎', 'O''Neill');

-- BI: a probe for columns
SELECT * FROM orders WHERE 1 = 0;

-- BI: a probe for rows
SELECT * FROM (SELECT * FROM orders) AS virtual_table LIMIT 1000;

-- BI: Superset's grouped virtual table (ordered)
SELECT status AS status, count(*) AS count FROM (SELECT o.status, o.total FROM orders o) AS virtual_table GROUP BY status ORDER BY count DESC, status LIMIT 1000;

-- BI: Metabase's qualified and quoted names
SELECT "orders"."status" AS "status", SUM("orders"."total") AS "sum" FROM "orders" WHERE "orders"."customer_id" = 5 GROUP BY "orders"."status";

-- BI: Tableau's extra parentheses
SELECT SUM(CAST(1 AS INTEGER)) AS "sum:Number of Records:ok" FROM "orders" HAVING (COUNT(1) > 0);

-- BI: Looker's limits and ones (ordered)
SELECT orders.status AS "orders.status", COUNT(*) AS "orders.count" FROM orders WHERE ((1 = 1)) GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 500;

-- an agent: top customers (ordered)
SELECT c.customer_id, c.name, COUNT(o.order_id) AS order_count, SUM(o.total) AS total_spent FROM customers c JOIN orders o ON c.customer_id = o.customer_id WHERE o.status != 'cancelled' GROUP BY c.customer_id, c.name ORDER BY total_spent DESC, c.customer_id LIMIT 10;

-- an agent: products never sold
SELECT p.product_id, p.title FROM products p LEFT JOIN order_items oi ON p.product_id = oi.product_id WHERE oi.product_id IS NULL;

-- an agent: second highest salary
SELECT MAX(salary) FROM employee_records WHERE salary < (SELECT MAX(salary) FROM employee_records);

-- an agent: each department's best paid
SELECT e.department, e.name, e.salary FROM employee_records e WHERE e.salary = (SELECT MAX(e2.salary) FROM employee_records e2 WHERE e2.department = e.department);

-- an agent: repeat customers by CTE (ordered)
WITH counts AS (SELECT customer_id, COUNT(*) AS n FROM orders GROUP BY customer_id), ranked AS (SELECT customer_id, n, RANK() OVER (ORDER BY n DESC) AS place FROM counts) SELECT r.place, c.name, r.n FROM ranked r JOIN customers c USING (customer_id) WHERE r.place <= 3 ORDER BY r.place, c.name;

-- an agent: pivot by case (ordered)
SELECT customer_id, SUM(CASE status WHEN 'paid' THEN 1 ELSE 0 END) AS paid, SUM(CASE status WHEN 'open' THEN 1 ELSE 0 END) AS open, SUM(CASE status WHEN 'shipped' THEN 1 ELSE 0 END) AS shipped FROM orders GROUP BY customer_id ORDER BY customer_id;

-- an agent: a ticket's history (ordered)
SELECT a.at, a.agent, a.action FROM agent_actions a WHERE a.ticket_id = 12 ORDER BY a.at DESC;

-- an agent: median by window
SELECT AVG(total) FROM (SELECT total, ROW_NUMBER() OVER (ORDER BY total) AS rn, COUNT(*) OVER () AS cnt FROM orders WHERE total IS NOT NULL) t WHERE rn IN ((cnt + 1) / 2, (cnt + 2) / 2);

-- Spider: count distinct of a join
SELECT count(DISTINCT T1.customer_id) FROM orders AS T1 JOIN order_items AS T2 ON T1.order_id = T2.order_id WHERE T2.quantity = 3;

-- Spider: group, order, limit one (ordered)
SELECT T1.country, count(*) FROM customers AS T1 JOIN orders AS T2 ON T1.customer_id = T2.customer_id GROUP BY T1.country ORDER BY count(*) DESC, T1.country LIMIT 1;

-- Spider: intersect of conditions
SELECT country FROM customers WHERE vip INTERSECT SELECT country FROM customers WHERE NOT vip;

-- boolean column alone
SELECT product_id FROM products WHERE active;

-- true and false
SELECT product_id, active = TRUE AS on_sale FROM products WHERE active IS NOT FALSE;

-- is true
SELECT customer_id FROM customers WHERE vip IS TRUE;

-- json text operator
SELECT customer_id, profile ->> 'lang' AS lang FROM customers WHERE profile ->> 'lang' = 'en';

-- json object operator, twice
SELECT product_id, attributes -> 'dims' ->> 0 AS width FROM products;

-- group by a json field (ordered)
SELECT attributes ->> 'colour' AS colour, count(*) FROM products GROUP BY attributes ->> 'colour' ORDER BY colour;

-- a blob
SELECT product_id, image FROM products WHERE image IS NOT NULL;

-- deep nesting
SELECT ((((((order_id + 1)) * 2)))) AS x FROM orders WHERE ((((status = 'paid')) AND ((total > 1))));

-- many ors
SELECT order_id FROM orders WHERE order_id = 1 OR order_id = 2 OR order_id = 3 OR order_id = 4 OR order_id = 5 OR order_id = 6 OR order_id = 7 OR order_id = 8 OR order_id = 9 OR order_id = 10 OR order_id = 11 OR order_id = 12;

-- not, and, or by precedence
SELECT order_id FROM orders WHERE NOT status = 'paid' AND total > 100 OR order_id = 3;

-- the same table three times
SELECT a.order_id FROM orders a, orders b, orders c WHERE a.order_id = b.order_id + 1 AND b.order_id = c.order_id + 1 AND c.status = 'open';

-- alias as another table's name
SELECT orders.name FROM customers AS orders WHERE orders.customer_id < 4;

-- outer column in a derived table's sibling scope
SELECT c.customer_id FROM customers c WHERE c.customer_id = (SELECT min(x.customer_id) FROM (SELECT o.customer_id FROM orders o) x WHERE x.customer_id >= c.customer_id);

-- aggregate of a subquery's column
SELECT max(x.s) FROM (SELECT customer_id, sum(total) AS s FROM orders GROUP BY customer_id) x;

-- distinct in sum and avg
SELECT sum(DISTINCT quantity), avg(DISTINCT quantity) FROM order_items;

-- group by two tables' columns (ordered)
SELECT c.country, p.category, count(*) AS n FROM customers c JOIN orders o ON o.customer_id = c.customer_id JOIN order_items i ON i.order_id = o.order_id JOIN products p ON p.product_id = i.product_id GROUP BY c.country, p.category ORDER BY c.country, n DESC, p.category;

-- minimum and maximum of texts
SELECT min(name), max(name) FROM customers WHERE customer_id BETWEEN 10 AND 19;

-- an empty string
SELECT '' AS empty, length('') AS zero;

-- a semicolon and a comment within a string
SELECT '; -- no comment /* either */' AS s FROM customers WHERE customer_id = 1;

-- large numbers
SELECT 9007199254740993 AS beyond_doubles, 9223372036854775807 AS largest;

-- three tables by using
SELECT order_id, customer_id, product_id, name FROM orders JOIN order_items USING (order_id) JOIN customers USING (customer_id);

-- a star of a subquery of stars
SELECT * FROM (SELECT * FROM (SELECT order_id, status FROM orders) a) b;

-- a qualified star of a derived table
SELECT a.*, b.n FROM (SELECT customer_id, name FROM customers) a JOIN (SELECT customer_id, count(*) AS n FROM orders GROUP BY customer_id) b ON b.customer_id = a.customer_id;

-- a star of a CTE
WITH t AS (SELECT order_id AS id, status AS state FROM orders) SELECT t.* FROM t WHERE t.id < 9;

-- an alias hides an input column in order by (ordered)
SELECT 0 - order_id AS total, order_id FROM orders ORDER BY total;

-- order by a name of a union (ordered)
SELECT order_id AS id FROM orders WHERE total > 200 UNION SELECT ticket_id FROM tickets WHERE state = 'open' ORDER BY id;

-- correlation past two levels
SELECT c.customer_id FROM customers c WHERE (SELECT count(*) FROM orders o WHERE o.customer_id = c.customer_id AND o.order_id IN (SELECT i.order_id FROM order_items i WHERE i.quantity > c.customer_id - 5)) > 1;

-- correlated aggregate of an outer column
SELECT c.customer_id, (SELECT max(o.total) - min(o.total) FROM orders o WHERE o.customer_id = c.customer_id AND c.vip) AS spread FROM customers c;

-- a name in an inner scope hides the outer
SELECT customer_id FROM customers WHERE EXISTS (SELECT 1 FROM orders WHERE customer_id = 5 AND customers.customer_id = orders.customer_id);

-- an unqualified outer name inside
SELECT ticket_id FROM tickets WHERE EXISTS (SELECT 1 FROM internal_notes WHERE internal_notes.ticket_id = tickets.ticket_id AND subject LIKE '%refund%');

-- a CTE that shadows in one branch only
SELECT count(*) FROM (WITH tickets AS (SELECT 1 AS one) SELECT one FROM tickets) a CROSS JOIN (SELECT ticket_id FROM tickets) b;

-- minus of a minus
SELECT 10 - (5 - 3), 10 - 5 - 3, - (-3), 2 * (3 + 4) * 5, 20 / (2 * 5), 7 - -3;

-- comparison chains by and
SELECT order_id FROM orders WHERE 50 < total AND total <= 100 AND 'paid' = status;

-- not in an or
SELECT customer_id FROM customers WHERE NOT (city = 'Berlin' OR city IS NULL) OR vip;

-- distinct counts by group, ordered (ordered)
SELECT status, count(DISTINCT customer_id) AS buyers, count(*) AS n FROM orders GROUP BY status HAVING count(DISTINCT customer_id) > 1 ORDER BY buyers DESC, status;

-- limit within a derived table (ordered)
SELECT x.order_id FROM (SELECT order_id FROM orders ORDER BY order_id DESC LIMIT 5) x ORDER BY x.order_id;

-- limit within in
SELECT name FROM customers WHERE customer_id IN (SELECT customer_id FROM orders ORDER BY order_id LIMIT 3);

-- case in order by (ordered)
SELECT ticket_id, state FROM tickets ORDER BY CASE state WHEN 'open' THEN 1 WHEN 'waiting' THEN 2 ELSE 3 END, ticket_id;

-- window partition by an expression (ordered)
SELECT order_id, row_number() OVER (PARTITION BY order_id % 3 ORDER BY total DESC, order_id) AS n FROM orders WHERE total IS NOT NULL ORDER BY order_id;

-- two windows of different orders (ordered)
SELECT order_id, row_number() OVER (ORDER BY order_id DESC) AS down, sum(order_id) OVER (ORDER BY order_id ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) AS pair FROM orders ORDER BY order_id;
