//! Lists of names in messages to people.

/// How many names a message lists.
const NAMED: usize = 10;

/// The names, or the first of them and how many more there are.
pub(crate) fn some_of<T: AsRef<str>>(names: &[T]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMED).map(AsRef::as_ref).collect();
    let more = match names.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}
