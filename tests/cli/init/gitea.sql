CREATE TABLE "user" (id bigserial PRIMARY KEY, lower_name varchar(255) NOT NULL, name varchar(255) NOT NULL, full_name varchar(255), email varchar(255) NOT NULL, passwd varchar(255) NOT NULL, passwd_hash_algo varchar(255) NOT NULL DEFAULT 'argon2', type integer, salt varchar(32), is_active boolean, is_admin boolean, prohibit_login boolean NOT NULL DEFAULT false);
CREATE UNIQUE INDEX "UQE_user_lower_name" ON "user" (lower_name);
CREATE UNIQUE INDEX "UQE_user_name" ON "user" (name);
CREATE TABLE email_address (id bigserial PRIMARY KEY, uid bigint NOT NULL, email varchar(255) NOT NULL UNIQUE, lower_email varchar(255) NOT NULL UNIQUE, is_activated boolean);
CREATE TABLE repository (id bigserial PRIMARY KEY, owner_id bigint, owner_name varchar(255), lower_name varchar(255) NOT NULL, name varchar(255) NOT NULL, UNIQUE (owner_id, lower_name));
INSERT INTO "user" (lower_name, name, email, passwd, passwd_hash_algo, type, salt, is_active, is_admin)
  SELECT 'person' || n, 'Person' || n, 'p' || n || '@example.org', repeat(md5(n::text), 3) || left(md5('x' || n), 4), 'pbkdf2$50000$50', 0, md5('s' || n), true, n = 1 FROM generate_series(1, 30) n;
INSERT INTO email_address (uid, email, lower_email, is_activated) SELECT n, 'p' || n || '@example.org', 'p' || n || '@example.org', true FROM generate_series(1, 30) n;
INSERT INTO repository (owner_id, owner_name, lower_name, name) SELECT 1 + n % 30, 'x', 'r' || n, 'R' || n FROM generate_series(1, 60) n;
