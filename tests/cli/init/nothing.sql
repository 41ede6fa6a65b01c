CREATE TABLE products (id serial PRIMARY KEY, name text NOT NULL UNIQUE, file_hash text);
CREATE TABLE orders (id serial PRIMARY KEY, product_id integer NOT NULL REFERENCES products);
INSERT INTO products (name, file_hash) SELECT 'p' || n, md5(n::text) FROM generate_series(1, 10) n;
