//! Checks that several fields share.

/// A name of one line: control characters break terminals and logs, and blanks are no name. That
/// something is there at all is for `length(min = 1)`, which the schema shows.
pub fn line(text: &str, (): &()) -> garde::Result {
    if !text.is_empty() && text.trim().is_empty() {
        return Err(garde::Error::new("must not be blank"));
    }
    prose(text, &())?;
    if text.chars().any(char::is_control) {
        return Err(garde::Error::new("must not contain control characters"));
    }
    Ok(())
}

/// A [`line`] that is not empty, where the public API states no bound.
pub fn filled_line(text: &str, (): &()) -> garde::Result {
    if text.is_empty() { Err(garde::Error::new("must not be empty")) } else { line(text, &()) }
}

/// A [`filled_line`] of at most 256 characters.
pub fn short_line(text: &str, (): &()) -> garde::Result {
    filled_line(text, &())?;
    if text.chars().count() > 256 { Err(garde::Error::new("length is greater than 256")) } else { Ok(()) }
}

/// [`line`], where the text is optional.
pub fn optional_line(text: &Option<String>, (): &()) -> garde::Result {
    text.as_deref().map_or(Ok(()), |text| line(text, &()))
}

/// An e-mail address, as far as it can be told without sending one: something at a domain, in one
/// line, no longer than RFC 5321 section 4.5.3.1.3 lets a path be.
pub fn email(text: &str, (): &()) -> garde::Result {
    line(text, &())?;
    let parts = text.rsplit_once('@');
    let fits = text.len() <= 254
        && !text.chars().any(|c| c.is_whitespace() || "<>(),;:\"\\".contains(c))
        && parts.is_some_and(|(name, domain)| {
            !name.is_empty() && !name.contains('@') && domain.split('.').all(|label| !label.is_empty())
        });
    if fits { Ok(()) } else { Err(garde::Error::new("must be an e-mail address, for example ada@example.org")) }
}

/// The name of a worker, as it can stand in a path without being escaped.
pub fn worker_name(text: &str, (): &()) -> garde::Result {
    let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@".contains(&b)) && !text.starts_with('.');
    if fits {
        Ok(())
    } else {
        Err(garde::Error::new("may have letters, digits, - _ . and @, and must not begin with a dot"))
    }
}

/// Any text that both databases can keep: PostgreSQL has no NUL in a text.
pub fn prose(text: &str, (): &()) -> garde::Result {
    if text.contains('\0') { Err(garde::Error::new("must not contain the NUL character")) } else { Ok(()) }
}

/// [`prose`], where the text is optional.
pub fn optional_prose(text: &Option<String>, (): &()) -> garde::Result {
    text.as_deref().map_or(Ok(()), |text| prose(text, &()))
}

/// [`optional_prose`] of at most 256 characters, where the public API states no bound.
pub fn optional_short_prose(text: &Option<String>, (): &()) -> garde::Result {
    optional_prose(text, &())?;
    let is_long = text.as_deref().is_some_and(|text| text.chars().count() > 256);
    if is_long { Err(garde::Error::new("length is greater than 256")) } else { Ok(()) }
}

/// [`prose`] for each of several texts.
pub fn all_prose(texts: &[String], (): &()) -> garde::Result {
    texts.iter().try_for_each(|text| prose(text, &()))
}

/// [`all_prose`], where the list is optional.
pub fn optional_all_prose(texts: &Option<Vec<String>>, (): &()) -> garde::Result {
    texts.as_deref().map_or(Ok(()), |texts| all_prose(texts, &()))
}

/// A time as a text, where the public API types it so.
pub fn optional_time(text: &Option<String>, (): &()) -> garde::Result {
    match text.as_deref().filter(|text| text.parse::<crate::Time>().is_err()) {
        Some(_) => Err(garde::Error::new("must be a date-time as in RFC 3339, for example 2026-01-31T12:00:00Z")),
        None => Ok(()),
    }
}

/// An address range in CIDR form (RFC 4632, RFC 4291 section 2.3).
pub fn cidr(text: &str, (): &()) -> garde::Result {
    if is_cidr(text) {
        return Ok(());
    }
    let shown: String = text.chars().take(100).collect();
    Err(garde::Error::new(format!("{shown:?} is not an address range in CIDR form, for example 203.0.113.0/24")))
}

/// [`cidr`], where the text is optional.
pub fn optional_cidr(text: &Option<String>, (): &()) -> garde::Result {
    text.as_deref().map_or(Ok(()), |text| cidr(text, &()))
}

/// [`optional_cidr`], where clients send an empty text for none.
pub fn cidr_or_empty(text: &Option<String>, (): &()) -> garde::Result {
    text.as_deref().filter(|text| !text.is_empty()).map_or(Ok(()), |text| cidr(text, &()))
}

/// [`cidr`] for each of several texts.
pub fn cidrs(texts: &[String], (): &()) -> garde::Result {
    texts.iter().try_for_each(|text| cidr(text, &()))
}

/// [`cidrs`], where the list is optional.
pub fn optional_cidrs(texts: &Option<Vec<String>>, (): &()) -> garde::Result {
    texts.as_deref().map_or(Ok(()), |texts| cidrs(texts, &()))
}

fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let most = match address.parse() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    // `/08` is a number, and no prefix length: whoever reads it later may refuse it.
    let is_written_so = length == "0" || !length.starts_with('0');
    is_written_so
        && length.bytes().all(|b| b.is_ascii_digit())
        && length.parse::<u8>().is_ok_and(|length| length <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_form() {
        for good in ["ada@example.org", "a+b.c@x.example", "root@localhost", "jörg@müller.example"] {
            assert!(email(good, &()).is_ok(), "{good}");
        }
        let long = format!("{}@example.org", "a".repeat(243));
        let bad =
            ["", " ", "ada", "@x", "ada@", "a@b@c", "a b@c", "a@b..c", "a@.b", "a@b.", "A <a@b>", "a@b,c@d", &long];
        for bad in bad {
            assert!(email(bad, &()).is_err(), "{bad}");
        }
    }

    #[test]
    fn cidr_form() {
        for good in ["203.0.113.0/24", "10.0.0.1/32", "::/0", "2001:db8::/32"] {
            assert!(is_cidr(good), "{good}");
        }
        for bad in ["203.0.113.0", "203.0.113.0/33", "::/129", "x/1", "10.0.0.0/+8", "10.0.0.0/08", "10.0.0.0/", "/8"] {
            assert!(!is_cidr(bad), "{bad}");
        }
    }
}
