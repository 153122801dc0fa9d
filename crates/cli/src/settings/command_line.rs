//! The command line, and the file of settings whose values take the place of its defaults.

use std::{ffi::OsString, path::PathBuf};

use anyhow::{Context, bail};
use clap::{CommandFactory, FromArgMatches, parser::ValueSource};

use crate::Cli;

/// Why the command line was not understood.
pub(crate) enum Refused {
    Clap(clap::Error),
    File(anyhow::Error),
}

/// Reads the command line; if it names a file of settings, that file too.
pub(crate) fn parse() -> Result<Cli, Refused> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    parse_from(&arguments)
}

fn parse_from(arguments: &[OsString]) -> Result<Cli, Refused> {
    let matches = Cli::command().try_get_matches_from(arguments).map_err(Refused::Clap)?;
    let (mut names, mut chosen) = (Vec::new(), &matches);
    while let Some((name, inner)) = chosen.subcommand() {
        names.push(name);
        chosen = inner;
    }
    let file = chosen.try_get_one::<PathBuf>("config").ok().flatten();
    let Some(file) = file.filter(|_| chosen.value_source("config") != Some(ValueSource::DefaultValue)) else {
        return Cli::from_arg_matches(&matches).map_err(Refused::Clap);
    };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the settings file {} cannot be read", file.display()))
        .map_err(Refused::File)?;
    let with_file = command_with(Cli::command(), &names, &text)
        .with_context(|| format!("the settings file {}", file.display()))
        .map_err(Refused::File)?;
    let matches = with_file.try_get_matches_from(arguments).map_err(Refused::Clap)?;
    Cli::from_arg_matches(&matches).map_err(Refused::Clap)
}

/// The command line, with the file's values as defaults.
fn command_with(mut command: clap::Command, names: &[&str], text: &str) -> anyhow::Result<clap::Command> {
    let table: toml::Table = text.parse().map_err(|cause: toml::de::Error| anyhow::anyhow!("{}", cause.message()))?;
    for (key, value) in table {
        let known: Vec<String> = names
            .iter()
            .try_fold(&command, |command, name| command.find_subcommand(name))
            .into_iter()
            .flat_map(clap::Command::get_arguments)
            .filter_map(|argument| argument.get_long())
            .map(|long| long.replace('-', "_"))
            .filter(|name| name != "help" && name != "config")
            .collect();
        if !known.contains(&key) {
            bail!("has the unknown key {key}; known are {}", known.join(", "));
        }
        let value = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(flag) => flag.to_string(),
            other => bail!("has an unexpected {} for {key}; expected a text or a number", other.type_str()),
        };
        command = within(command, names, |inner| inner.mut_arg(key.as_str(), |argument| argument.default_value(value)));
    }
    Ok(command)
}

/// Changes a subcommand of a subcommand.
fn within(
    command: clap::Command,
    names: &[&str],
    change: impl FnOnce(clap::Command) -> clap::Command,
) -> clap::Command {
    let Some((first, rest)) = names.split_first() else { return change(command) };
    let change: Box<dyn FnOnce(clap::Command) -> clap::Command + '_> = Box::new(change);
    command.mut_subcommand(first, |inner| within(inner, rest, change))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, settings::ServerSettings};

    fn serve(arguments: &[&str]) -> Result<ServerSettings, String> {
        let arguments: Vec<OsString> = ["airlock", "serve"].iter().chain(arguments).map(Into::into).collect();
        match parse_from(&arguments) {
            Ok(Cli { command: Command::Serve(settings) }) => Ok(settings),
            Ok(_) => Err("another command".into()),
            Err(Refused::Clap(error)) => Err(error.to_string()),
            Err(Refused::File(error)) => Err(format!("{error:#}")),
        }
    }

    fn file(text: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("airlock.toml");
        std::fs::write(&path, text).expect("written");
        (folder, path.display().to_string())
    }

    /// What would silently let nobody in, or everybody.
    #[test]
    fn an_identity_provider_is_set_up_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        std::fs::write(&path, "\n").expect("written");
        let path = path.display().to_string();
        for (more, why) in [
            (vec!["--oidc-scopes", "profile email"], "--oidc-scopes must have openid"),
            (vec!["--oidc-client-secret", ""], "--oidc-client-secret is empty"),
            (vec!["--oidc-client-secret-file", &path], "is empty"),
            (vec!["--oidc-email-domains", " , "], "--oidc-email-domains names no domain"),
        ] {
            let all = [&["--oidc-issuer", "https://idp.example", "--oidc-client-id", "a"], more.as_slice()].concat();
            let error = serve(&all).expect("read").oidc().expect_err(why);
            assert!(error.to_string().contains(why), "{error}");
        }
        let all =
            ["--oidc-issuer", "https://idp.example", "--oidc-client-id", "a", "--oidc-email-domains", "a.example, b"];
        let oidc = serve(&all).expect("read").oidc().expect("good").expect("a provider");
        assert_eq!(oidc.email_domains, ["a.example", "b"]);
    }

    #[test]
    fn flags_go_before_the_file_and_the_file_before_defaults() {
        let (_folder, path) = file("listen = \"127.0.0.1:1\"\nagent_tokens_per_deployment = 7\n");
        let settings = serve(&["--config", &path, "--listen", "127.0.0.1:2"]).expect("read");
        assert_eq!(settings.listen.port(), 2);
        assert_eq!(settings.agent_tokens_per_deployment, 7);
        assert_eq!(settings.refusals_kept, 100_000);
    }

    #[test]
    fn a_wrong_setting_is_refused_by_name() {
        let (_folder, path) = file("lisen = \"127.0.0.1:1\"\n");
        let text = serve(&["--config", &path]).err().expect("refused");
        assert!(text.contains("unknown key lisen") && text.contains("listen"), "{text}");
        let (_folder, path) = file("agent_tokens_per_deployment = \"many\"\n");
        let text = serve(&["--config", &path]).err().expect("refused");
        assert!(text.contains("--agent-tokens-per-deployment") && text.contains("invalid"), "{text}");
        let text = serve(&["--public-url", "localhost"]).err().expect("refused");
        assert!(text.contains("--public-url") && text.contains("http://"), "{text}");
        let text = serve(&["--trusted-proxies", "10.0.0.0/8,proxy"]).err().expect("refused");
        assert!(text.contains("--trusted-proxies") && text.contains("\"proxy\" is neither"), "{text}");
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
