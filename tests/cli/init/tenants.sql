CREATE TABLE tenants (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE users (tenant_id integer NOT NULL REFERENCES tenants, id bigserial, email text NOT NULL, password_hash text NOT NULL, role text NOT NULL DEFAULT 'member', PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, email));
CREATE TABLE notes (tenant_id integer NOT NULL, id bigserial, owner_id bigint NOT NULL, PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, owner_id) REFERENCES users (tenant_id, id));
INSERT INTO tenants (name) VALUES ('one'), ('two');
INSERT INTO users (tenant_id, email, password_hash, role) SELECT 1 + n % 2, 'u' || n / 2 || '@example.org', '$2b$12$C5jfR0qJMI79kxsagW6zyOHQagnVlesB97lxvalb.axTAzP94L.w6', CASE WHEN n < 4 THEN 'owner' ELSE 'member' END FROM generate_series(2, 41) n;
