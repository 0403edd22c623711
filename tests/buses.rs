//! What a bus promises, held for the one of a single process, for Redis and for a Redis Cluster alike.

mod contract;
mod meeting;
mod presence;
