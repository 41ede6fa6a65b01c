CREATE TABLE jhi_user (id bigint PRIMARY KEY, login varchar(50) NOT NULL CONSTRAINT ux_user_login UNIQUE, password_hash varchar(60) NOT NULL, first_name varchar(50), last_name varchar(50), email varchar(191) CONSTRAINT ux_user_email UNIQUE, activated boolean NOT NULL, lang_key varchar(10), activation_key varchar(20), reset_key varchar(20), created_by varchar(50) NOT NULL);
CREATE TABLE jhi_authority (name varchar(50) PRIMARY KEY);
CREATE TABLE jhi_user_authority (user_id bigint NOT NULL REFERENCES jhi_user, authority_name varchar(50) NOT NULL REFERENCES jhi_authority, PRIMARY KEY (user_id, authority_name));
INSERT INTO jhi_authority VALUES ('ROLE_ADMIN'), ('ROLE_USER');
INSERT INTO jhi_user (id, login, password_hash, email, activated, created_by) SELECT n, 'user' || n, '$2a$10$C5jfR0qJMI79kxsagW6zyOHQagnVlesB97lxvalb.axTAzP94L.w6', 'u' || n || '@example.org', true, 'system' FROM generate_series(1, 20) n;
INSERT INTO jhi_user_authority SELECT n, 'ROLE_USER' FROM generate_series(1, 20) n;
