//! The rules of signing in: e-mail addresses, passwords, and what an OAuth client must show.

pub mod email;
pub mod password;
pub mod pkce;
pub mod redirect;
