//! The rules of signing in: e-mail addresses, passwords, ID tokens of an identity provider, and what an
//! OAuth client must show.

pub mod email;
pub mod id_token;
pub mod password;
pub mod pkce;
pub mod redirect;
