-- src/engine/postgres/rowset/foreign_keys.rs

ALTER TABLE "public"."logs" VALIDATE CONSTRAINT "logs_user_id_fkey";

ALTER TABLE "public"."roles" ADD CONSTRAINT "roles_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "public"."users"
    ("id") NOT VALID;
