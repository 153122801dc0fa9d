//! The built-in roles and permissions as a page of Markdown, for the documentation.

use std::fmt::Write;

use airlock_contract::permissions::GROUPS;

use super::roles::{self, BuiltIn};

/// The page. The copy in the repository is both documentation and the reviewed snapshot of what
/// every role may do.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Roles and permissions\n\n\
         Made from `crates/core/src/policy/roles.rs` and `crates/contract/src/permissions.rs`; a test holds this \
         page against them.\n\n\
         A role on an Organization acts on everything in it, a role on a Workspace on its Deployments too. Whoever \
         has a role on a Deployment or a Dag is a WORKSPACE_ACCESSOR of its Workspace without asking. A role that \
         lists a permission of an upper level, such as `organization.get`, lets its holder pass that gate; what \
         lies behind it is shown only as far as the role reaches.\n\n## Roles\n\n",
    );
    for role in roles::all() {
        line(&mut page, format_args!("- **{}** ({}): {}", role.name, role.scope.as_str(), role.description));
    }
    page.push_str("\n## What each role permits\n\n");
    table(&mut page, roles::all());
    page.push_str("\n## Templates for custom roles\n\nNot assignable themselves.\n\n");
    for role in roles::templates() {
        line(&mut page, format_args!("- **{}**: {}", role.name, role.description));
    }
    page.push('\n');
    table(&mut page, roles::templates());
    page
}

fn table(page: &mut String, roles: &[BuiltIn]) {
    let names: Vec<&str> = roles.iter().map(|role| role.name).collect();
    line(page, format_args!("| permission | {} |", names.join(" | ")));
    line(page, format_args!("|---|{}", ":-:|".repeat(names.len())));
    for action in GROUPS.iter().flat_map(|group| group.actions) {
        let marks = roles.iter().map(|role| if role.permits.contains(*action) { "x" } else { "" });
        line(page, format_args!("| `{}` | {} |", action.name(), marks.collect::<Vec<_>>().join(" | ")));
    }
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(page, "{text}").expect("a String takes all");
}
