-- The shop on SQLite. Some dates are text without a type, some booleans 0 and 1, as SQLite files have them.
CREATE TABLE customers (
    customer_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT COLLATE NOCASE,
    city TEXT,
    country VARCHAR(2) NOT NULL,
    vip BOOLEAN NOT NULL,
    credit DECIMAL(10,2),
    created_at TIMESTAMP NOT NULL,
    profile JSON,
    referrer_id INTEGER REFERENCES customers (customer_id)
);
CREATE TABLE products (
    product_id INTEGER PRIMARY KEY,
    sku TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    category TEXT,
    price DECIMAL(10,2) NOT NULL,
    weight REAL,
    active BOOLEAN NOT NULL,
    attributes JSON,
    image BLOB
);
CREATE TABLE orders (
    order_id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (customer_id),
    status TEXT NOT NULL,
    total DECIMAL(10,2),
    placed_on DATE NOT NULL,
    created_at TIMESTAMP NOT NULL,
    shipped_at TIMESTAMP,
    "Coupon Code" TEXT
);
CREATE TABLE order_items (
    order_id INTEGER NOT NULL REFERENCES orders (order_id),
    line INTEGER NOT NULL,
    product_id INTEGER NOT NULL REFERENCES products (product_id),
    quantity INTEGER NOT NULL,
    unit_price DECIMAL(10,2) NOT NULL,
    discount REAL,
    PRIMARY KEY (order_id, line)
) WITHOUT ROWID;
CREATE TABLE tickets (
    ticket_id INTEGER PRIMARY KEY,
    customer_id INTEGER,
    subject TEXT NOT NULL,
    body TEXT,
    state TEXT NOT NULL,
    priority INTEGER,
    opened_at TIMESTAMP NOT NULL,
    closed_at TIMESTAMP
);
CREATE TABLE agent_actions (
    action_id INTEGER PRIMARY KEY,
    ticket_id INTEGER,
    agent TEXT NOT NULL,
    action TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    duration_ms INTEGER,
    payload JSON
);
CREATE TABLE internal_notes (note_id INTEGER PRIMARY KEY, ticket_id INTEGER, author TEXT, note TEXT, score REAL, at DATE);
CREATE TABLE employee_records (
    employee_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    manager_id INTEGER,
    department TEXT,
    salary DECIMAL(12,2),
    hired DATE,
    active BOOLEAN
);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
INSERT INTO customers SELECT i,
    CASE i WHEN 7 THEN 'O''Neill' WHEN 8 THEN 'Łukasz Żak' WHEN 9 THEN '山田太郎' ELSE 'Customer ' || i END,
    CASE WHEN i % 9 = 0 THEN NULL ELSE 'User' || i || '@Example.com' END,
    CASE i % 5 WHEN 0 THEN 'Berlin' WHEN 1 THEN 'Paris' WHEN 2 THEN 'Madrid' WHEN 3 THEN NULL ELSE 'Oslo' END,
    CASE i % 5 WHEN 0 THEN 'DE' WHEN 1 THEN 'FR' WHEN 2 THEN 'ES' WHEN 3 THEN 'IT' ELSE 'NO' END,
    i % 4 = 0, CASE WHEN i % 7 = 0 THEN NULL ELSE round(i * 13.37, 2) END,
    datetime('2025-01-01', '+' || (i * 11) || ' days', '+' || (i * 37) || ' minutes'),
    CASE WHEN i % 6 = 0 THEN NULL ELSE json_object('lang', CASE i % 2 WHEN 0 THEN 'en' ELSE 'de' END, 'age', 20 + i, 'tags', json_array('t' || (i % 3), 'all')) END,
    CASE WHEN i % 3 = 0 THEN i / 3 END FROM n;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25)
INSERT INTO products SELECT i, printf('SKU-%04d', i), 'Product ' || i,
    CASE i % 4 WHEN 0 THEN 'books' WHEN 1 THEN 'games' WHEN 2 THEN 'tools' END, round(i * 3.99, 2),
    CASE WHEN i % 5 = 0 THEN NULL ELSE i * 0.25 END, i % 6 <> 0,
    json_object('colour', CASE i % 3 WHEN 0 THEN 'red' WHEN 1 THEN 'green' ELSE 'blue' END, 'dims', json_array(i, i * 2), 'stock', i * 4),
    CASE WHEN i % 3 = 0 THEN unhex(printf('%02x00ff%02x', i, i * 3)) END FROM n;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
INSERT INTO orders SELECT i, (i * 7) % 36 + 1,
    CASE i % 5 WHEN 0 THEN 'paid' WHEN 1 THEN 'shipped' WHEN 2 THEN 'open' WHEN 3 THEN 'paid' ELSE 'cancelled' END,
    CASE WHEN i % 13 = 0 THEN NULL ELSE round((i * 17 % 311) * 1.25, 2) END,
    date('2025-06-01', '+' || (i * 2 % 500) || ' days'), datetime('2025-06-01', '+' || (i * 2 % 500) || ' days', '+' || (i * 91 % 1440) || ' minutes'),
    CASE WHEN i % 5 = 1 THEN datetime('2025-06-03', '+' || (i * 2 % 500) || ' days') END,
    CASE WHEN i % 10 = 0 THEN 'SAVE' || (i % 30) END FROM n;
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 499)
INSERT INTO order_items SELECT i % 190 + 1, i / 190 + 1, i * 3 % 24 + 1, i % 6 + 1, round((i * 3 % 24 + 1) * 3.99, 2),
    CASE WHEN i % 4 = 0 THEN 0.1 WHEN i % 4 = 1 THEN NULL ELSE 0.0 END FROM n;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
INSERT INTO tickets SELECT i, CASE WHEN i % 11 = 0 THEN NULL ELSE i % 40 + 1 END, 'Ticket ' || i || CASE i % 3 WHEN 0 THEN ': refund 50%' ELSE ': where is_my order?' END,
    CASE WHEN i % 8 = 0 THEN NULL ELSE 'Hello, my order ' || (i * 3) || ' did not arrive. Call +49-30-' || (1000 + i) END,
    CASE i % 3 WHEN 0 THEN 'open' WHEN 1 THEN 'closed' ELSE 'waiting' END, CASE WHEN i % 10 = 0 THEN NULL ELSE i % 4 END,
    datetime('2026-01-01', '+' || (i * 29) || ' hours'), CASE WHEN i % 3 = 1 THEN datetime('2026-01-02', '+' || (i * 31) || ' hours') END FROM n;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
INSERT INTO agent_actions SELECT i, i % 60 + 1, CASE i % 3 WHEN 0 THEN 'ada' WHEN 1 THEN 'bob' ELSE 'cyd' END, CASE i % 4 WHEN 0 THEN 'reply' WHEN 1 THEN 'close' WHEN 2 THEN 'escalate' ELSE 'note' END,
    datetime('2026-02-01', '+' || (i * 53) || ' minutes'), CASE WHEN i % 9 = 0 THEN NULL ELSE i * 137 % 5000 END,
    json_object('steps', json_array(json_object('n', i, 'ok', json('true')), json_object('n', i + 1, 'ok', json('false')))) FROM n;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30)
INSERT INTO internal_notes SELECT i, i * 2, CASE WHEN i % 5 = 0 THEN NULL ELSE 'ada' END, 'note ' || i, i / 7.0, date('2026-03-01', '+' || i || ' days') FROM n;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12)
INSERT INTO employee_records SELECT i, 'Employee ' || i, CASE WHEN i > 1 THEN i / 2 END, CASE i % 3 WHEN 0 THEN 'support' WHEN 1 THEN 'sales' END, CASE WHEN i = 11 THEN NULL ELSE 30000 + i * 1234.5 END,
    date('2019-01-15', '+' || (i * 97) || ' days'), i <> 5 FROM n;
ANALYZE;
