--- Statements that PostgreSQL takes and the gateway refuses, whole and by name: the known limits of its parser.

-- trim of one side without characters
SELECT trim(trailing FROM 'a  ');

-- exclusion in a frame
SELECT order_id, sum(order_id) OVER (ORDER BY order_id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) FROM orders;

-- text search, whose configurations are of the catalogue
SELECT ticket_id FROM tickets WHERE to_tsvector('english', body) @@ to_tsquery('english', 'order');

-- select without columns
SELECT FROM customers WHERE customer_id < 4;

-- only
SELECT count(*) FROM ONLY orders;

-- a quoted type, which is another than the bare one or none
SELECT 'a'::"char";

-- a row of one column
SELECT ROW(customer_id) = ROW(1) FROM customers;
