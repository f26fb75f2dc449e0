-- What the administrator of PostgreSQL creates for Temporal. The user has no password: it comes with a
-- certificate (pg_hba.conf), owns its two databases and has no right besides.
CREATE ROLE temporal LOGIN;
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
REVOKE CONNECT ON DATABASE temporal, temporal_visibility FROM PUBLIC;
