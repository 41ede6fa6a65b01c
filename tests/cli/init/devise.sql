CREATE TABLE users (id bigserial PRIMARY KEY, email varchar NOT NULL DEFAULT '', encrypted_password varchar NOT NULL DEFAULT '', reset_password_token varchar, reset_password_sent_at timestamp, remember_created_at timestamp, confirmed_at timestamp, locked_at timestamp, admin boolean NOT NULL DEFAULT false, created_at timestamp NOT NULL DEFAULT now());
CREATE UNIQUE INDEX index_users_on_email ON users (email);
CREATE UNIQUE INDEX index_users_on_reset_password_token ON users (reset_password_token);
CREATE TABLE posts (id bigserial PRIMARY KEY, author_id bigint NOT NULL REFERENCES users);
CREATE TABLE versions (id bigserial PRIMARY KEY, item_type varchar NOT NULL, item_id bigint NOT NULL, whodunnit varchar);
INSERT INTO users (email, encrypted_password, admin, confirmed_at) SELECT 'u' || n || '@example.org', '$2a$12$C5jfR0qJMI79kxsagW6zyOHQagnVlesB97lxvalb.axTAzP94L.w6', n = 1, now() FROM generate_series(1, 30) n;
