-- The shop on PostgreSQL, with the types that SQLite lacks.
CREATE TABLE customers (
    customer_id integer PRIMARY KEY,
    name text NOT NULL,
    email text,
    city text,
    country varchar(2) NOT NULL,
    vip boolean NOT NULL,
    credit numeric(10,2),
    created_at timestamp NOT NULL,
    profile jsonb,
    referrer_id integer REFERENCES customers (customer_id),
    uid uuid NOT NULL,
    tags text[] NOT NULL,
    seen_at timestamptz
);
CREATE TABLE products (
    product_id integer PRIMARY KEY,
    sku text NOT NULL UNIQUE,
    title text NOT NULL,
    category text,
    price numeric(10,2) NOT NULL,
    weight double precision,
    active boolean NOT NULL,
    attributes jsonb,
    image bytea,
    sizes integer[]
);
CREATE TABLE orders (
    order_id bigint PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers (customer_id),
    status text NOT NULL,
    total numeric(10,2),
    placed_on date NOT NULL,
    created_at timestamp NOT NULL,
    shipped_at timestamptz,
    "Coupon Code" text
);
CREATE TABLE order_items (
    order_id bigint NOT NULL REFERENCES orders (order_id),
    line smallint NOT NULL,
    product_id integer NOT NULL REFERENCES products (product_id),
    quantity integer NOT NULL,
    unit_price numeric(10,2) NOT NULL,
    discount real,
    PRIMARY KEY (order_id, line)
);
CREATE TABLE tickets (
    ticket_id integer PRIMARY KEY,
    customer_id integer,
    subject text NOT NULL,
    body text,
    state text NOT NULL,
    priority integer,
    opened_at timestamp NOT NULL,
    closed_at timestamp
);
CREATE TABLE agent_actions (
    action_id integer PRIMARY KEY,
    ticket_id integer,
    agent text NOT NULL,
    action text NOT NULL,
    at timestamp NOT NULL,
    duration_ms integer,
    payload json
);
CREATE TABLE internal_notes (note_id integer PRIMARY KEY, ticket_id integer, author text, note text, score double precision, at date);
CREATE TABLE employee_records (
    employee_id integer PRIMARY KEY,
    name text NOT NULL,
    manager_id integer,
    department char(10),
    salary numeric(12,2),
    hired date,
    active boolean,
    shift_start time,
    notice interval
);
INSERT INTO customers SELECT i,
    CASE i WHEN 7 THEN 'O''Neill' WHEN 8 THEN 'Łukasz Żak' WHEN 9 THEN '山田太郎' ELSE 'Customer ' || i END,
    CASE WHEN i % 9 = 0 THEN NULL ELSE 'User' || i || '@Example.com' END,
    CASE i % 5 WHEN 0 THEN 'Berlin' WHEN 1 THEN 'Paris' WHEN 2 THEN 'Madrid' WHEN 3 THEN NULL ELSE 'Oslo' END,
    CASE i % 5 WHEN 0 THEN 'DE' WHEN 1 THEN 'FR' WHEN 2 THEN 'ES' WHEN 3 THEN 'IT' ELSE 'NO' END,
    i % 4 = 0, CASE WHEN i % 7 = 0 THEN NULL ELSE i * 13.37 END,
    timestamp '2025-01-01' + i * interval '11 days 37 minutes',
    CASE WHEN i % 6 = 0 THEN NULL ELSE jsonb_build_object('lang', CASE i % 2 WHEN 0 THEN 'en' ELSE 'de' END, 'age', 20 + i, 'tags', jsonb_build_array('t' || (i % 3), 'all')) END,
    CASE WHEN i % 3 = 0 THEN i / 3 END, md5(i::text)::uuid, ARRAY['t' || (i % 3), 'all'],
    CASE WHEN i % 8 <> 0 THEN timestamptz '2026-01-01 00:00+00' + i * interval '5 hours 13 minutes' END
FROM generate_series(1, 40) AS i;
INSERT INTO products SELECT i, 'SKU-' || lpad(i::text, 4, '0'), 'Product ' || i,
    CASE i % 4 WHEN 0 THEN 'books' WHEN 1 THEN 'games' WHEN 2 THEN 'tools' END, i * 3.99,
    CASE WHEN i % 5 = 0 THEN NULL ELSE i * 0.25 END, i % 6 <> 0,
    jsonb_build_object('colour', CASE i % 3 WHEN 0 THEN 'red' WHEN 1 THEN 'green' ELSE 'blue' END, 'dims', jsonb_build_array(i, i * 2), 'stock', i * 4),
    CASE WHEN i % 3 = 0 THEN decode(lpad(to_hex(i), 2, '0') || '00ff', 'hex') END,
    CASE WHEN i % 7 = 0 THEN NULL WHEN i % 7 = 1 THEN '{}' ELSE ARRAY[i, i + 1, NULL] END
FROM generate_series(1, 25) AS i;
INSERT INTO orders SELECT i, (i * 7) % 36 + 1,
    CASE i % 5 WHEN 0 THEN 'paid' WHEN 1 THEN 'shipped' WHEN 2 THEN 'open' WHEN 3 THEN 'paid' ELSE 'cancelled' END,
    CASE WHEN i % 13 = 0 THEN NULL ELSE (i * 17 % 311) * 1.25 END,
    date '2025-06-01' + (i * 2 % 500), timestamp '2025-06-01' + (i * 2 % 500) * interval '1 day' + (i * 91 % 1440) * interval '1 minute',
    CASE WHEN i % 5 = 1 THEN timestamptz '2025-06-03 12:00+00' + (i * 2 % 500) * interval '1 day' END,
    CASE WHEN i % 10 = 0 THEN 'SAVE' || (i % 30) END
FROM generate_series(1, 200) AS i;
INSERT INTO order_items SELECT i % 190 + 1, i / 190 + 1, i * 3 % 24 + 1, i % 6 + 1, (i * 3 % 24 + 1) * 3.99,
    CASE WHEN i % 4 = 0 THEN 0.1 WHEN i % 4 = 1 THEN NULL ELSE 0.0 END
FROM generate_series(0, 499) AS i;
INSERT INTO tickets SELECT i, CASE WHEN i % 11 = 0 THEN NULL ELSE i % 40 + 1 END, 'Ticket ' || i || CASE i % 3 WHEN 0 THEN ': refund 50%' ELSE ': where is_my order?' END,
    CASE WHEN i % 8 = 0 THEN NULL ELSE 'Hello, my order ' || (i * 3) || ' did not arrive. Call +49-30-' || (1000 + i) END,
    CASE i % 3 WHEN 0 THEN 'open' WHEN 1 THEN 'closed' ELSE 'waiting' END, CASE WHEN i % 10 = 0 THEN NULL ELSE i % 4 END,
    timestamp '2026-01-01' + i * interval '29 hours', CASE WHEN i % 3 = 1 THEN timestamp '2026-01-02' + i * interval '31 hours' END
FROM generate_series(1, 60) AS i;
INSERT INTO agent_actions SELECT i, i % 60 + 1, CASE i % 3 WHEN 0 THEN 'ada' WHEN 1 THEN 'bob' ELSE 'cyd' END, CASE i % 4 WHEN 0 THEN 'reply' WHEN 1 THEN 'close' WHEN 2 THEN 'escalate' ELSE 'note' END,
    timestamp '2026-02-01' + i * interval '53 minutes', CASE WHEN i % 9 = 0 THEN NULL ELSE i * 137 % 5000 END,
    json_build_object('steps', json_build_array(json_build_object('n', i, 'ok', true), json_build_object('n', i + 1, 'ok', false)))
FROM generate_series(1, 100) AS i;
INSERT INTO internal_notes SELECT i, i * 2, CASE WHEN i % 5 = 0 THEN NULL ELSE 'ada' END, 'note ' || i, i / 7.0, date '2026-03-01' + i
FROM generate_series(1, 30) AS i;
INSERT INTO employee_records SELECT i, 'Employee ' || i, CASE WHEN i > 1 THEN i / 2 END, CASE i % 3 WHEN 0 THEN 'support' WHEN 1 THEN 'sales' END,
    CASE WHEN i = 11 THEN NULL ELSE 30000 + i * 1234.5 END, date '2019-01-15' + i * 97, i <> 5, time '06:00' + i * interval '30 minutes', i * interval '1 week'
FROM generate_series(1, 12) AS i;
ANALYZE;
