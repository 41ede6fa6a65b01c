CREATE TABLE phpbb_users (user_id serial PRIMARY KEY, user_type smallint NOT NULL DEFAULT 0, group_id integer NOT NULL DEFAULT 3, username varchar(255) NOT NULL, username_clean varchar(255) NOT NULL, user_password varchar(255) NOT NULL DEFAULT '', user_email varchar(100) NOT NULL DEFAULT '');
CREATE UNIQUE INDEX phpbb_users_username_clean ON phpbb_users (username_clean);
CREATE TABLE phpbb_posts (post_id serial PRIMARY KEY, poster_id integer NOT NULL DEFAULT 0, post_text text NOT NULL);
CREATE TABLE phpbb_groups (group_id serial PRIMARY KEY, group_name varchar(255) NOT NULL);
INSERT INTO phpbb_users (username, username_clean, user_password, user_email) SELECT 'Person' || n, 'person' || n, '$H$9QJ9pkTHDmDyPMBS4o6BPWfDAJ2n5L1', 'p' || n || '@example.org' FROM generate_series(1, 50) n;
INSERT INTO phpbb_posts (poster_id, post_text) SELECT 1 + n % 50, '' FROM generate_series(1, 200) n;
