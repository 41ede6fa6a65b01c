CREATE TABLE users (id serial PRIMARY KEY, email varchar(320) NOT NULL UNIQUE, hashed_password varchar(1024) NOT NULL, is_active boolean NOT NULL, role text NOT NULL DEFAULT 'user');
CREATE TABLE usage_logs (id serial PRIMARY KEY, user_id integer NOT NULL REFERENCES users);
INSERT INTO users (email, hashed_password, is_active, role) SELECT 'u' || n || '@example.org', '$2b$12$C5jfR0qJMI79kxsagW6zyOHQagnVlesB97lxvalb.axTAzP94L.w6', true, CASE WHEN n = 1 THEN 'admin' ELSE 'user' END FROM generate_series(1, 20) n;
