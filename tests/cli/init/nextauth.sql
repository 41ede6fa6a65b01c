CREATE TYPE "Role" AS ENUM ('USER', 'ADMIN');
CREATE TABLE "User" ("id" text PRIMARY KEY, "name" text, "email" text, "emailVerified" timestamp(3), "image" text, "password" text, "role" "Role" NOT NULL DEFAULT 'USER');
CREATE UNIQUE INDEX "User_email_key" ON "User" ("email");
CREATE TABLE "Account" ("id" text PRIMARY KEY, "userId" text NOT NULL REFERENCES "User" ON DELETE CASCADE, "type" text NOT NULL, "provider" text NOT NULL, "providerAccountId" text NOT NULL, "refresh_token" text, UNIQUE ("provider", "providerAccountId"));
CREATE TABLE "Session" ("id" text PRIMARY KEY, "sessionToken" text NOT NULL UNIQUE, "userId" text NOT NULL REFERENCES "User" ON DELETE CASCADE);
CREATE TABLE "Newsletter" ("id" serial PRIMARY KEY, "email" text NOT NULL UNIQUE);
INSERT INTO "User" ("id", "email", "password", "role") SELECT 'c' || md5(n::text), 'u' || n || '@example.org', CASE WHEN n % 2 = 0 THEN '$2b$10$C5jfR0qJMI79kxsagW6zyOHQagnVlesB97lxvalb.axTAzP94L.w6' END, (CASE WHEN n = 1 THEN 'ADMIN' ELSE 'USER' END)::"Role" FROM generate_series(1, 20) n;
INSERT INTO "Newsletter" ("email") SELECT 'n' || n || '@example.org' FROM generate_series(1, 20) n;
