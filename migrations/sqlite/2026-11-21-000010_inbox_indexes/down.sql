DROP INDEX notifications_by_category;
