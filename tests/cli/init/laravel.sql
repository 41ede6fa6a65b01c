CREATE TABLE users (id bigserial PRIMARY KEY, name varchar(255) NOT NULL, email varchar(255) NOT NULL UNIQUE, email_verified_at timestamp(0), password varchar(255) NOT NULL, remember_token varchar(100), deleted_at timestamp(0));
CREATE TABLE personal_access_tokens (id bigserial PRIMARY KEY, tokenable_type varchar(255) NOT NULL, tokenable_id bigint NOT NULL, token varchar(64) NOT NULL UNIQUE);
CREATE TABLE sessions (id varchar(255) PRIMARY KEY, user_id bigint, payload text NOT NULL, last_activity integer NOT NULL);
CREATE TABLE teams (id bigserial PRIMARY KEY, name text NOT NULL);
INSERT INTO users (name, email, password, deleted_at) SELECT 'n', 'u' || n || '@example.org', '$2y$12$C5jfR0qJMI79kxsagW6zyOHQagnVlesB97lxvalb.axTAzP94L.w6', CASE WHEN n > 37 THEN now() END FROM generate_series(1, 40) n;
INSERT INTO personal_access_tokens (tokenable_type, tokenable_id, token) SELECT 'App\Models\User', 1 + n % 40, md5(n::text) FROM generate_series(1, 80) n;
INSERT INTO personal_access_tokens (tokenable_type, tokenable_id, token) SELECT 'App\Models\Team', 1000 + n, md5('t' || n) FROM generate_series(1, 20) n;
INSERT INTO sessions SELECT md5('s' || n), 1 + n % 40, '', 1 FROM generate_series(1, 40) n;
