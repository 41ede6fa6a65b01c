CREATE TABLE "AspNetUsers" ("Id" text PRIMARY KEY, "UserName" varchar(256), "NormalizedUserName" varchar(256), "Email" varchar(256), "NormalizedEmail" varchar(256), "EmailConfirmed" boolean NOT NULL, "PasswordHash" text, "SecurityStamp" text, "LockoutEnd" timestamptz, "LockoutEnabled" boolean NOT NULL, "AccessFailedCount" integer NOT NULL);
CREATE UNIQUE INDEX "UserNameIndex" ON "AspNetUsers" ("NormalizedUserName");
CREATE INDEX "EmailIndex" ON "AspNetUsers" ("NormalizedEmail");
CREATE TABLE "AspNetRoles" ("Id" text PRIMARY KEY, "Name" varchar(256), "NormalizedName" varchar(256) UNIQUE);
CREATE TABLE "AspNetUserRoles" ("UserId" text NOT NULL REFERENCES "AspNetUsers", "RoleId" text NOT NULL REFERENCES "AspNetRoles", PRIMARY KEY ("UserId", "RoleId"));
CREATE TABLE "Orders" ("Id" serial PRIMARY KEY, "CreatedBy" text);
INSERT INTO "AspNetUsers" SELECT md5(n::text)::uuid::text, 'u' || n || '@example.org', upper('u' || n || '@example.org'), 'u' || n || '@example.org', upper('u' || n || '@example.org'), true,
  'AQAAAAIAAYagAAAAE' || repeat('A', 67), 'STAMP' || n, NULL, true, 0 FROM generate_series(1, 25) n;
INSERT INTO "Orders" ("CreatedBy") SELECT md5((1 + n % 25)::text)::uuid::text FROM generate_series(1, 60) n;
