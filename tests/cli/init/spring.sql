CREATE TABLE users (username varchar(50) PRIMARY KEY, password varchar(500) NOT NULL, enabled boolean NOT NULL);
CREATE TABLE authorities (username varchar(50) NOT NULL REFERENCES users, authority varchar(50) NOT NULL, UNIQUE (username, authority));
INSERT INTO users SELECT 'user' || n, '{bcrypt}$2a$10$C5jfR0qJMI79kxsagW6zyOHQagnVlesB97lxvalb.axTAzP94L.w6', true FROM generate_series(1, 10) n;
