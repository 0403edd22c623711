DROP INDEX notifications_unread_by_category;
DROP INDEX notifications_by_kind;
DROP INDEX notifications_by_category;
