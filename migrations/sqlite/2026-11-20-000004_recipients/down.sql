DROP TABLE recipient_roles;
DROP TABLE recipients;
