CREATE TABLE auth_user (id serial PRIMARY KEY, username varchar(150) NOT NULL UNIQUE, password varchar(128) NOT NULL, is_active boolean NOT NULL DEFAULT true);
CREATE TABLE accounts_user (id serial PRIMARY KEY, email varchar(254) NOT NULL UNIQUE, password varchar(128) NOT NULL, is_active boolean NOT NULL DEFAULT true, is_superuser boolean NOT NULL DEFAULT false);
INSERT INTO auth_user (username, password) SELECT 'old' || n, 'pbkdf2_sha256$1000000$c2FsdHNhbHRzYWx0c2FsdA$Q5Zfkkm/EKFXOG0ceyhd7xUExVL2anyV/UxZpOoRNAk=' FROM generate_series(1, 6) n;
INSERT INTO accounts_user (email, password, is_superuser) SELECT 'p' || n || '@example.org', 'pbkdf2_sha256$1000000$c2FsdHNhbHRzYWx0c2FsdA$Q5Zfkkm/EKFXOG0ceyhd7xUExVL2anyV/UxZpOoRNAk=', n = 1 FROM generate_series(1, 12) n;
CREATE TABLE django_admin_log (id serial PRIMARY KEY, user_id integer NOT NULL REFERENCES auth_user);
CREATE TABLE blog_post (id serial PRIMARY KEY, author_id integer NOT NULL REFERENCES accounts_user);
