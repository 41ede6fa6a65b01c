CREATE TABLE res_partner (id serial PRIMARY KEY, name varchar, email varchar, active boolean);
CREATE TABLE res_users (id serial PRIMARY KEY, active boolean DEFAULT true, login varchar NOT NULL UNIQUE, password varchar, partner_id integer NOT NULL REFERENCES res_partner, create_uid integer REFERENCES res_users, write_uid integer REFERENCES res_users);
ALTER TABLE res_partner ADD COLUMN create_uid integer REFERENCES res_users, ADD COLUMN user_id integer REFERENCES res_users, ADD COLUMN parent_id integer REFERENCES res_partner;
CREATE TABLE sale_order (id serial PRIMARY KEY, partner_id integer NOT NULL REFERENCES res_partner, user_id integer REFERENCES res_users, create_uid integer REFERENCES res_users);
INSERT INTO res_partner (name, email, active) SELECT 'n', 'p' || n || '@example.org', true FROM generate_series(1, 60) n;
INSERT INTO res_users (active, login, password, partner_id, create_uid) SELECT n <> 3, 'p' || n || '@example.org', '$pbkdf2-sha512$600000$' || repeat('A', 22) || '$' || repeat('B', 85) || 'A', n, 1 FROM generate_series(1, 12) n;
