//! The document of the API: that it is whole, that it can be read, and that its page needs nobody else.

mod docs;
mod document;
mod postman;
mod routes;
