CREATE TABLE "user" (id varchar(255) NOT NULL, name varchar(255) NOT NULL, email varchar(255) NOT NULL, role varchar(255) NOT NULL, profile_image_url text NOT NULL, api_key varchar(255), created_at integer NOT NULL);
CREATE UNIQUE INDEX user_id ON "user" (id);
CREATE TABLE auth (id varchar(255) NOT NULL, email varchar(255) NOT NULL, password text NOT NULL, active boolean NOT NULL);
CREATE UNIQUE INDEX auth_id ON auth (id);
CREATE TABLE chat (id varchar(255) PRIMARY KEY, user_id varchar(255) NOT NULL, title text);
INSERT INTO "user" SELECT md5(n::text)::uuid::text, 'n', 'u' || n || '@example.org', CASE WHEN n = 1 THEN 'admin' ELSE 'user' END, '', NULL, 1 FROM generate_series(1, 15) n;
INSERT INTO auth SELECT id, email, '$2b$12$C5jfR0qJMI79kxsagW6zyOHQagnVlesB97lxvalb.axTAzP94L.w6', true FROM "user";
INSERT INTO chat SELECT md5('c' || n)::uuid::text, md5((1 + n % 15)::text)::uuid::text, 't' FROM generate_series(1, 60) n;
