-- ProbeOps, the NEW environment after a botched move from the one in before.sql.
-- Load into another, empty database. No psql commands and no COPY, so that a
-- driver can send it too. The old rows are generated again here, exactly as
-- before.sql generates them.
--
-- What went wrong, by the number of the statement:
--
--   [1] The ids from 101 on were set aside for the seed by moving users_id_seq
--       there, and then ...
--   [2] ... the seed wrote those ids itself, so the sequence never moved: the
--       next user to sign up gets 101, `duplicate key ... "users_pkey"`.
--       The seed also left out admin@probeops.com: nobody has the role admin.
--   [3] The last ninety days of usage_logs were copied as they were, without
--       the id map that [5] and [6] went through. They name people by ids of the
--       old environment.
--   [7] usage_logs_user_id_fkey would not go in over those rows, so it was added
--       NOT VALID. New rows are checked, the old ones are not: a token that
--       still says 4711 makes the app fail with
--       `Key (user_id)=(4711) is not present in table "users"`.
--
-- What is right: [4] the rows written since, [5] api_keys, [6] saved_reports,
-- and the other three sequences.
--
--   users          7   ids 101..107
--   usage_logs  2000   1234 dangling: 4711 x 617, 4712 x 411, 4713 x 206
--                       100 NULL
--                       666 good: 101 x 200, 102 x 150, 103 x 116, 104 x 100, 105 x 100
--   api_keys       8   all good (the one of the old admin was not copied)
--   saved_reports 24   all good, 4 of them NULL (two were the old admin's)
--
-- No row names id 1, and no old id is the id of somebody else here.

SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET client_min_messages = warning;

CREATE TABLE public.users (
    id serial NOT NULL,
    email character varying(255) NOT NULL,
    hashed_password character varying(255) NOT NULL,
    full_name character varying,
    role character varying DEFAULT 'user' NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    tokens_valid_after timestamp with time zone
);

CREATE TABLE public.usage_logs (
    id bigserial NOT NULL,
    user_id integer,
    tool character varying NOT NULL,
    target character varying,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.api_keys (
    id serial NOT NULL,
    user_id integer NOT NULL,
    key_hash character varying(64) NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.saved_reports (
    id serial NOT NULL,
    user_id integer,
    title character varying(255) NOT NULL
);

-- [1]
SELECT pg_catalog.setval('public.users_id_seq', 101, false);

-- [2] Passwords came along: ada@example.com still has `correct horse 4711`.
INSERT INTO public.users
    (id, email, hashed_password, full_name, role, is_active, created_at, deleted_at)
VALUES
    (101, 'ada@example.com', '$2b$04$StO5YdpXBHU.dGrIJMQ9JuEyIpvU.QP4y56x5Rh7Axf6benhMlntG', 'Ada Example', 'user', true, '2025-07-01 06:00:00+00', NULL),
    (102, 'brook@example.com', '$2b$04$h5Ljx89Q4HvhmoNAs9azvOvgUr4NLahXY8Wf4MMeeE2gCe9STv7N2', 'Brook Example', 'user', true, '2025-07-01 06:00:00+00', NULL),
    (103, 'casey@example.com', '$2b$04$D60dfAMJjDDa5ikHhFscVOGLz.g36hh0ClUR3qIiKCYiRKYGtbn/S', 'Casey Example', 'analyst', true, '2025-07-01 06:00:00+00', NULL),
    (104, 'drew@example.com', '$2b$04$wPXXovD7koL5jbDjjv9gderzvrs5lD9cSjRSaRRViLt9B0e9vEidq', 'Drew Example', 'user', true, '2025-07-01 06:00:00+00', NULL),
    (105, 'eden@example.com', '$2b$04$MFYDiyN.VRTMQbo/OqpyZurAiFGzaP1MCJcPY2krRLuYMCzt5WEce', NULL, 'user', true, '2025-07-01 06:00:00+00', NULL),
    (106, 'flynn@example.com', '$2b$04$KL.j8y704m1rDwH3k7rO/eAjC2Wxpmto.EXH5p4JflqHUazqXd1Y.', 'Flynn Example', 'user', false, '2025-07-01 06:00:00+00', NULL),
    (107, 'gray@example.com', '$2b$04$V2qyWWfdFG7WplH71IL22u5dAIpVO4qiv775yy/8IvBXuK71s5pdm', 'Gray Example', 'user', true, '2025-07-01 06:00:00+00', '2025-03-14 09:30:00+00');

CREATE TEMPORARY TABLE id_map (old_id integer PRIMARY KEY, new_id integer NOT NULL);
INSERT INTO id_map (old_id, new_id)
VALUES
    (4711, 101), (4712, 102), (4713, 103), (5003, 104), (5010, 105), (5017, 106), (5120, 107);

-- [3]
INSERT INTO public.usage_logs (id, user_id, tool, target, created_at)
    SELECT
        1666 + row_number() OVER (ORDER BY n, user_id),
        user_id,
        (ARRAY['ping', 'traceroute', 'dns', 'http'])[1 + n % 4],
        'host-' || n % 50 || '.example.com',
        timestamp with time zone '2025-04-01 00:00:00+00' + n * interval '3 hours'
    FROM
        (VALUES (4711, 617), (4712, 411), (4713, 206), (NULL, 100)) AS v (user_id, rows),
        generate_series(1, v.rows) AS n;

-- [4]
INSERT INTO public.usage_logs (id, user_id, tool, target, created_at)
    SELECT
        3000 + row_number() OVER (ORDER BY n, user_id),
        user_id,
        (ARRAY['ping', 'traceroute', 'dns', 'http'])[1 + n % 4],
        'host-' || n % 50 || '.example.com',
        timestamp with time zone '2025-07-01 08:00:00+00' + n * interval '1 hour'
    FROM
        (VALUES (101, 200), (102, 150), (103, 116), (104, 100), (105, 100))
            AS v (user_id, rows),
        generate_series(1, v.rows) AS n;

-- [5]
INSERT INTO public.api_keys (id, user_id, key_hash, created_at)
WITH old (id, user_id, key_hash, created_at) AS (
    SELECT
        row_number() OVER (ORDER BY user_id, n),
        user_id,
        encode(sha256(convert_to('key ' || n || ' of user ' || user_id, 'UTF8')), 'hex'),
        timestamp with time zone '2025-02-01 12:00:00+00' + n * interval '1 day'
    FROM
        (VALUES (1, 1), (4711, 2), (4712, 1), (4713, 1), (5003, 1), (5010, 2), (5017, 1))
            AS v (user_id, keys),
        generate_series(1, v.keys) AS n
)
SELECT old.id, id_map.new_id, old.key_hash, old.created_at
FROM old
JOIN id_map ON id_map.old_id = old.user_id;

-- [6]
INSERT INTO public.saved_reports (id, user_id, title)
WITH old (id, user_id, title) AS (
    SELECT
        row_number() OVER (ORDER BY user_id, n),
        user_id,
        'Report ' || n || ' of ' || coalesce('user ' || user_id, 'nobody')
    FROM
        (VALUES (1, 2), (4711, 8), (4712, 5), (4713, 4), (5003, 3), (NULL, 2))
            AS v (user_id, reports),
        generate_series(1, v.reports) AS n
)
SELECT old.id, id_map.new_id, old.title
FROM old
LEFT JOIN id_map ON id_map.old_id = old.user_id;

DROP TABLE id_map;

SELECT pg_catalog.setval('public.usage_logs_id_seq', 3666, true);
SELECT pg_catalog.setval('public.api_keys_id_seq', 9, true);
SELECT pg_catalog.setval('public.saved_reports_id_seq', 24, true);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_email_key UNIQUE (email);
ALTER TABLE ONLY public.usage_logs
    ADD CONSTRAINT usage_logs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.saved_reports
    ADD CONSTRAINT saved_reports_pkey PRIMARY KEY (id);

CREATE INDEX usage_logs_user_id_idx ON public.usage_logs USING btree (user_id);

-- [7]
ALTER TABLE public.usage_logs
    ADD CONSTRAINT usage_logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) NOT VALID;

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.saved_reports
    ADD CONSTRAINT saved_reports_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
