CREATE TABLE user_entity (id varchar(36) PRIMARY KEY, email varchar(255), email_constraint varchar(255), enabled boolean NOT NULL DEFAULT false, federation_link varchar(255), first_name varchar(255), last_name varchar(255), realm_id varchar(255), username varchar(255), service_account_client_link varchar(255), not_before integer NOT NULL DEFAULT 0, UNIQUE (realm_id, username), UNIQUE (realm_id, email_constraint));
CREATE TABLE credential (id varchar(36) PRIMARY KEY, salt bytea, type varchar(255), user_id varchar(36) REFERENCES user_entity, secret_data text, credential_data text);
CREATE TABLE user_role_mapping (role_id varchar(255) NOT NULL, user_id varchar(36) NOT NULL REFERENCES user_entity, PRIMARY KEY (role_id, user_id));
CREATE TABLE offline_user_session (user_session_id varchar(36) NOT NULL, user_id varchar(255) NOT NULL, realm_id varchar(36) NOT NULL, offline_flag varchar(4) NOT NULL, PRIMARY KEY (user_session_id, offline_flag));
CREATE TABLE client (id varchar(36) PRIMARY KEY, enabled boolean NOT NULL DEFAULT true, client_id varchar(255), secret varchar(255), name varchar(255), realm_id varchar(36));
INSERT INTO user_entity (id, username, realm_id, email, enabled) SELECT md5(n::text)::uuid::text, 'person' || n, 'shop', 'p' || n || '@example.org', true FROM generate_series(1, 20) n;
INSERT INTO user_entity (id, username, realm_id, enabled) VALUES (md5('admin')::uuid::text, 'person1', 'master', true);
INSERT INTO credential (id, type, user_id, secret_data, credential_data) SELECT md5('c' || id)::uuid::text, 'password', id, '{}', '{}' FROM user_entity;
INSERT INTO offline_user_session SELECT md5('o' || n)::uuid::text, md5((1 + n % 20)::text)::uuid::text, 'shop', '1' FROM generate_series(1, 60) n;
