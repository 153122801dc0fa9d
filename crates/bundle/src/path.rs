//! Names of entries: what is taken as a path below the bundle's folder.

use crate::fault::{Fault, Why};

/// How long a path may be, in bytes; Linux takes 4095, with the folder that it is below.
const PATH: usize = 1024;

/// How long each name in it may be; Linux takes no longer ones.
const NAME: usize = 255;

/// The path of an entry below the bundle's folder, without `.` and doubled slashes; empty for the
/// folder itself.
pub(crate) fn below_the_folder(name: &[u8]) -> Result<String, Fault> {
    let refused = |why: Why| Err(why.of(name));
    let Ok(text) = std::str::from_utf8(name) else { return refused(Why::NotText) };
    if text.contains('\0') {
        return refused(Why::NotText);
    }
    if text.starts_with('/') {
        return refused(Why::Absolute);
    }
    let names: Vec<&str> = steps(text).collect();
    if names.contains(&"..") {
        return refused(Why::Parent);
    }
    if text.len() > PATH || names.iter().any(|name| name.len() > NAME) {
        return refused(Why::TooLong);
    }
    Ok(names.join("/"))
}

/// What a symbolic link says, if it can be kept.
pub(crate) fn target_of_link(link: &str, target: &[u8]) -> Result<String, Fault> {
    match std::str::from_utf8(target) {
        Ok(text) if text.contains('\0') || text.is_empty() => Err(Why::NotText.of(link.as_bytes())),
        Ok(text) if text.len() > PATH => Err(Why::TooLong.of(link.as_bytes())),
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(Why::NotText.of(link.as_bytes())),
    }
}

/// The names in a path, of those that go somewhere.
pub(crate) fn steps(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty() && *name != ".")
}

/// The folders that a path goes through, the outermost first.
pub(crate) fn folders_above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').filter_map(|(at, _)| path.get(..at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_paths() {
        for (name, path) in [
            ("dags/a.py", "dags/a.py"),
            ("./dags//b/./c.py", "dags/b/c.py"),
            ("dags/", "dags"),
            (".", ""),
            ("./", ""),
            ("", ""),
            ("...", "..."),
            ("a..b/..c", "a..b/..c"),
            ("C:\\x", "C:\\x"),
        ] {
            assert_eq!(below_the_folder(name.as_bytes()).expect(name), path);
        }
        assert_eq!(folders_above("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
    }

    #[test]
    fn as_long_as_they_may_be() {
        let name = "n".repeat(255);
        let path = [name.as_str(); 4].join("/");
        assert_eq!(below_the_folder(format!("{path}/").as_bytes()).expect("1024 bytes"), path);
        for long in [format!("{path}//"), "n".repeat(256), format!("a/{}", "é".repeat(128))] {
            let fault = below_the_folder(long.as_bytes()).expect_err(&long);
            assert!(matches!(fault, Fault::Entry { why: Why::TooLong, .. }), "{fault}");
        }
    }
}
