//! docs/settings.md: every setting, from its declaration.

use std::{fs, path::Path};

use clap::{Arg, CommandFactory};

use crate::Cli;

const HEAD: &str = include_str!("page.md");

fn page() -> String {
    let mut command = Cli::command();
    command.build();
    let serve = command.find_subcommand("serve").expect("a command");
    serve
        .get_arguments()
        .filter(|argument| argument.get_id() != "help")
        .fold(HEAD.to_owned(), |page, argument| page + &row(argument))
}

fn row(argument: &Arg) -> String {
    let flag = argument.get_long().expect("a setting is a flag");
    let variable = format!("AIRLOCK_{}", flag.to_uppercase().replace('-', "_"));
    assert_eq!(
        argument.get_env().and_then(|name| name.to_str()),
        Some(variable.as_str()),
        "the page says how they are named"
    );
    let value = &argument.get_value_names().expect("a setting has a value")[0];
    let defaults = argument.get_default_values().iter().map(|value| value.to_string_lossy());
    let default = defaults.filter(|value| !value.is_empty()).map(|value| format!("`{value}`")).collect::<String>();
    let help = argument.get_help().expect("a setting is described").to_string();
    format!("| `--{flag} {value}` | {default} | {} |\n", help.replace('|', "\\|"))
}

/// To make it again: `AIRLOCK_UPDATE=1 cargo test -p airlock the_page_of_settings`
#[test]
fn the_page_of_settings() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
    #[expect(clippy::disallowed_methods, reason = "a test has no command line")]
    if std::env::var("AIRLOCK_UPDATE").is_ok() {
        fs::write(&file, page()).expect("written");
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == page(),
        "docs/settings.md is stale; run: AIRLOCK_UPDATE=1 cargo test -p airlock the_page_of_settings"
    );
}
