CREATE TABLE members (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "e-mail: #1" text, mail text NOT NULL, pwd text, suspended boolean, active smallint);
CREATE UNIQUE INDEX ON members (lower(mail));
CREATE TABLE visits (id serial PRIMARY KEY, member_id uuid REFERENCES members);
