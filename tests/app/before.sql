-- ProbeOps, the OLD environment: schema and data, in the order pg_dump writes
-- them (tables, data, sequences, keys, foreign keys), long tables generated.
-- Load into an empty database. No psql commands and no COPY, so that a driver
-- can send it too.
--
--   users          8   ids 1, 4711, 4712, 4713, 5003, 5010, 5017, 5120
--   usage_logs  3000   1666 before 2025-04-01 naming 1, 5003, 5010, 5017, 5120
--                      1334 since: 4711 x 617, 4712 x 411, 4713 x 206, NULL x 100
--   api_keys       9
--   saved_reports 24   2 of them NULL
--
-- Passwords: admin@probeops.com `old admin password`, ada@example.com
-- `correct horse 4711`. Nobody knows the other six.

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

-- 5017 is switched off, 5120 is deleted: neither may log in.
INSERT INTO public.users
    (id, email, hashed_password, full_name, role, is_active, created_at, deleted_at)
VALUES
    (1, 'admin@probeops.com', '$2b$10$6toEyEUYw9sLHRQvl2tkNO3NA.nkRDIcU0oQ9lRtT7XMZvTyVIOKC', 'ProbeOps Admin', 'admin', true, '2024-01-02 08:00:00+00', NULL),
    (4711, 'ada@example.com', '$2b$04$StO5YdpXBHU.dGrIJMQ9JuEyIpvU.QP4y56x5Rh7Axf6benhMlntG', 'Ada Example', 'user', true, '2024-02-11 08:00:00+00', NULL),
    (4712, 'brook@example.com', '$2b$04$h5Ljx89Q4HvhmoNAs9azvOvgUr4NLahXY8Wf4MMeeE2gCe9STv7N2', 'Brook Example', 'user', true, '2024-02-12 08:00:00+00', NULL),
    (4713, 'casey@example.com', '$2b$04$D60dfAMJjDDa5ikHhFscVOGLz.g36hh0ClUR3qIiKCYiRKYGtbn/S', 'Casey Example', 'analyst', true, '2024-02-13 08:00:00+00', NULL),
    (5003, 'drew@example.com', '$2b$04$wPXXovD7koL5jbDjjv9gderzvrs5lD9cSjRSaRRViLt9B0e9vEidq', 'Drew Example', 'user', true, '2024-06-03 08:00:00+00', NULL),
    (5010, 'eden@example.com', '$2b$04$MFYDiyN.VRTMQbo/OqpyZurAiFGzaP1MCJcPY2krRLuYMCzt5WEce', NULL, 'user', true, '2024-06-10 08:00:00+00', NULL),
    (5017, 'flynn@example.com', '$2b$04$KL.j8y704m1rDwH3k7rO/eAjC2Wxpmto.EXH5p4JflqHUazqXd1Y.', 'Flynn Example', 'user', false, '2024-06-17 08:00:00+00', NULL),
    (5120, 'gray@example.com', '$2b$04$V2qyWWfdFG7WplH71IL22u5dAIpVO4qiv775yy/8IvBXuK71s5pdm', 'Gray Example', 'user', true, '2024-11-20 08:00:00+00', '2025-03-14 09:30:00+00');

-- Older than ninety days when the move was made; the move left them behind.
INSERT INTO public.usage_logs (id, user_id, tool, target, created_at)
    SELECT
        n,
        (ARRAY[1, 5003, 5010, 5017, 5120])[1 + n % 5],
        (ARRAY['ping', 'traceroute', 'dns', 'http'])[1 + n % 4],
        'host-' || n % 50 || '.example.com',
        timestamp with time zone '2024-12-01 00:00:00+00' + n * interval '1 hour'
    FROM
        generate_series(1, 1666) AS n;

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

INSERT INTO public.api_keys (id, user_id, key_hash, created_at)
    SELECT
        row_number() OVER (ORDER BY user_id, n),
        user_id,
        encode(sha256(convert_to('key ' || n || ' of user ' || user_id, 'UTF8')), 'hex'),
        timestamp with time zone '2025-02-01 12:00:00+00' + n * interval '1 day'
    FROM
        (VALUES (1, 1), (4711, 2), (4712, 1), (4713, 1), (5003, 1), (5010, 2), (5017, 1))
            AS v (user_id, keys),
        generate_series(1, v.keys) AS n;

INSERT INTO public.saved_reports (id, user_id, title)
    SELECT
        row_number() OVER (ORDER BY user_id, n),
        user_id,
        'Report ' || n || ' of ' || coalesce('user ' || user_id, 'nobody')
    FROM
        (VALUES (1, 2), (4711, 8), (4712, 5), (4713, 4), (5003, 3), (NULL, 2))
            AS v (user_id, reports),
        generate_series(1, v.reports) AS n;

SELECT pg_catalog.setval('public.users_id_seq', 5120, true);
SELECT pg_catalog.setval('public.usage_logs_id_seq', 3000, true);
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

ALTER TABLE ONLY public.usage_logs
    ADD CONSTRAINT usage_logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.saved_reports
    ADD CONSTRAINT saved_reports_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
