//! The built-in roles and permissions as a page of Markdown, for the documentation.

use std::fmt::Write;

use airlock_contract::permissions::GROUPS;

use super::roles::{self, BuiltIn};

/// The page. The copy in the repository is both documentation and the reviewed snapshot of what
/// every role may do.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Roles and what they permit\n\n\
         Every built-in role and every template for custom roles, with each permission that it has.\n\n\
         [Permissions and roles](permissions.md) says how they act. This page is made from the table that decides; \
         a test holds it against that.\n\n## Roles\n\n\
         Of the roles for the same thing, each has all that the one before it has.\n\n",
    );
    for role in roles::all() {
        line(&mut page, format_args!("- **{}** ({}): {}", role.name, role.scope.as_str(), role.description));
    }
    page.push_str(
        "\n## Who has which permission\n\nNamed are the smallest roles that have it; larger ones have it too.\n\n",
    );
    table(&mut page, roles::all());
    page.push_str("\n## Templates for custom roles\n\nNot assignable themselves.\n\n");
    for role in roles::templates() {
        line(&mut page, format_args!("- **{}**: {}", role.name, role.description));
    }
    page.push('\n');
    table(&mut page, roles::templates());
    page
}

/// Each permission that any of the roles has, and the smallest that do: a matrix of all would be
/// wider than any screen.
fn table(page: &mut String, roles: &[BuiltIn]) {
    page.push_str("| permission | from |\n|---|---|\n");
    for action in GROUPS.iter().flat_map(|group| group.actions) {
        let having = || roles.iter().filter(|role| role.permits.contains(*action));
        let smallest = having().filter(|role| !having().any(|other| other.is_within(role)));
        let names = smallest.map(|role| role.name).collect::<Vec<_>>();
        if !names.is_empty() {
            line(page, format_args!("| `{}` | {} |", action.name(), names.join(", ")));
        }
    }
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(page, "{text}").expect("a String takes all");
}
