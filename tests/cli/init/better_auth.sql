CREATE TABLE "user" ("id" text PRIMARY KEY, "name" text NOT NULL, "email" text NOT NULL UNIQUE, "emailVerified" boolean NOT NULL, "image" text, "role" text, "banned" boolean, "banReason" text, "createdAt" timestamp NOT NULL DEFAULT now());
CREATE TABLE "session" ("id" text PRIMARY KEY, "token" text NOT NULL UNIQUE, "userId" text NOT NULL REFERENCES "user" ON DELETE CASCADE);
CREATE TABLE "account" ("id" text PRIMARY KEY, "accountId" text NOT NULL, "providerId" text NOT NULL, "userId" text NOT NULL REFERENCES "user" ON DELETE CASCADE, "password" text);
CREATE TABLE "verification" ("id" text PRIMARY KEY, "identifier" text NOT NULL, "value" text NOT NULL);
INSERT INTO "user" ("id", "name", "email", "emailVerified", "role", "banned") SELECT md5(n::text), 'n', 'u' || n || '@example.org', true, CASE WHEN n = 1 THEN 'admin' ELSE 'user' END, CASE WHEN n = 2 THEN true END FROM generate_series(1, 20) n;
INSERT INTO "account" SELECT md5('a' || n), md5(n::text), 'credential', md5(n::text), md5('s' || n) || ':' || repeat(md5('k' || n), 4) FROM generate_series(1, 20) n;
