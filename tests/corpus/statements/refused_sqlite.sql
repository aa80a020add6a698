--- Statements that SQLite takes and the gateway refuses, whole and by name: the known limits of its parser.

-- a hexadecimal integer, which would be printed as a blob
SELECT 0x1F AS thirty_one;

-- exclusion in a frame
SELECT order_id, sum(order_id) OVER (ORDER BY order_id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) FROM orders;
