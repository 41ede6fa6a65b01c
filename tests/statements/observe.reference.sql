-- src/engine/postgres/observe/reference.rs

SELECT count(*)
FROM "public"."parts";

SELECT count(*)
FROM ONLY "public"."logs";
