//! The rules of signing in: passwords, and what an OAuth client must show.

pub mod password;
pub mod pkce;
pub mod redirect;
