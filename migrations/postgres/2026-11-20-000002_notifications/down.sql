DROP TABLE notifications;
DROP TABLE inboxes;
