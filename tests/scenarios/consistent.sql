-- A small app whose accounts, references and sequences agree. Everybody's password is the same.
CREATE TABLE users (
  id serial PRIMARY KEY,
  email varchar(255) NOT NULL UNIQUE,
  hashed_password varchar(255) NOT NULL,
  full_name text,
  role varchar(20) NOT NULL DEFAULT 'user',
  is_active boolean NOT NULL DEFAULT true
);
INSERT INTO users (id, email, hashed_password, role) VALUES
  (1, 'admin@probeops.com', '$2b$04$dsGFMt4S/sqND4xDBW4feu4Kj0EJrVGEG1s0eaIVqsPCH5D/ZDkHq', 'admin'),
  (2, 'ada@example.com', '$2b$04$dsGFMt4S/sqND4xDBW4feu4Kj0EJrVGEG1s0eaIVqsPCH5D/ZDkHq', 'user'),
  (3, 'brook@example.com', '$2b$04$dsGFMt4S/sqND4xDBW4feu4Kj0EJrVGEG1s0eaIVqsPCH5D/ZDkHq', 'user');
SELECT setval('users_id_seq', 3);
CREATE TABLE usage_logs (
  id bigserial PRIMARY KEY,
  user_id integer CONSTRAINT usage_logs_user_id_fkey REFERENCES users (id),
  tool text NOT NULL
);
CREATE INDEX usage_logs_user_id ON usage_logs (user_id);
INSERT INTO usage_logs (user_id, tool) SELECT 1 + n % 3, 'ping' FROM generate_series(1, 30) n;
CREATE TABLE api_keys (
  id serial PRIMARY KEY,
  user_id integer NOT NULL CONSTRAINT api_keys_user_id_fkey REFERENCES users (id),
  key_hash text NOT NULL
);
INSERT INTO api_keys (user_id, key_hash) VALUES (2, 'x');
