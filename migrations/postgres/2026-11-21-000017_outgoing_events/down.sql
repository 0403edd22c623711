DROP TABLE outgoing_events;
