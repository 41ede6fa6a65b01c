CREATE TABLE "user" (id text PRIMARY KEY, first_name text, last_name text, email text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz);
CREATE UNIQUE INDEX "IDX_user_email_unique" ON "user" (email) WHERE deleted_at IS NULL;
CREATE TABLE customer (id text PRIMARY KEY, email text, has_account boolean NOT NULL DEFAULT false, deleted_at timestamptz);
CREATE UNIQUE INDEX "IDX_customer_email_has_account_unique" ON customer (email, has_account) WHERE deleted_at IS NULL;
CREATE TABLE customer_address (id text PRIMARY KEY, customer_id text NOT NULL REFERENCES customer);
CREATE TABLE auth_identity (id text PRIMARY KEY, app_metadata jsonb, deleted_at timestamptz);
CREATE TABLE provider_identity (id text PRIMARY KEY, entity_id text NOT NULL, provider text NOT NULL, auth_identity_id text NOT NULL REFERENCES auth_identity, provider_metadata jsonb);
INSERT INTO "user" SELECT 'user_' || n, 'a', 'b', 'u' || n || '@example.org' FROM generate_series(1, 5) n;
INSERT INTO customer SELECT 'cus_' || n, 'c' || n || '@example.org', true FROM generate_series(1, 50) n;
