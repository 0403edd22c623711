DROP TABLE inbox_categories;
ALTER TABLE inboxes DROP COLUMN total;
