//! `airlock api`: every operation of the API as a command, made from the table of operations.

use std::io;

use airlock_client::Client;
use airlock_contract::{
    Access, Method, Operation,
    openapi::{self, Doc, QueryParameter},
    operation::Visitor,
    operations,
    path::{PathParameter, PathParameters},
};
use anyhow::Context;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand, builder::PossibleValuesParser};
use heck::ToKebabCase;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::connection::Connection;
use crate::output;

/// The flag for a request's body.
const BODY: &str = "body";
/// The parameter that every command of this binary already has a flag for.
const ORGANIZATION: &str = "organizationId";

/// One operation, and what it is to be called with.
pub(crate) struct Api {
    connection: Connection,
    row: Row,
    arguments: ArgMatches,
}

/// What a command needs to know of an operation.
struct Row {
    name: String,
    doc: Doc,
    method: Method,
    path: &'static str,
    ids: &'static [PathParameter],
    query: Vec<QueryParameter>,
    /// An example of the body; nothing where there is none to send.
    body: Option<Value>,
    access: Access,
}

fn rows() -> Vec<Row> {
    struct Rows(Vec<Row>);
    impl Visitor for Rows {
        fn visit<O: Operation>(&mut self) {
            self.0.push(Row {
                name: O::ID.to_kebab_case(),
                doc: Doc::of::<O>(),
                method: O::METHOD,
                path: O::PATH,
                ids: O::Path::ALL,
                query: openapi::query_parameters::<O>(),
                body: openapi::body_example::<O>(),
                access: O::ACCESS,
            });
        }
    }
    let mut rows = Rows(Vec::new());
    operations::visit(&mut rows);
    rows.0
}

impl Subcommand for Api {
    fn augment_subcommands(command: Command) -> Command {
        // Deferred: the other commands need none of this.
        command.subcommand_required(true).defer(|command| command.subcommands(rows().iter().map(Row::command)))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        rows().iter().any(|row| row.name == name)
    }
}

impl FromArgMatches for Api {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, arguments) = matches.subcommand().ok_or_else(missing)?;
        let row = rows().into_iter().find(|row| row.name == name).ok_or_else(missing)?;
        Ok(Self { connection: Connection::from_arg_matches(arguments)?, row, arguments: arguments.clone() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Row {
    fn command(&self) -> Command {
        let Doc { summary, description, .. } = &self.doc;
        let request = format!("{} /v1{}", self.method.as_str(), self.path);
        // Their help comes after the arguments, which would put the connection's own in its place.
        let command = Connection::augment_args(Command::new(self.name.clone()))
            .about(summary.clone())
            .long_about(format!("{summary}.\n\n{description}\n\n{request}"));
        let command = self.path_arguments().fold(command, Command::arg);
        let command = self.query.iter().map(flag).fold(command, Command::arg);
        match &self.body {
            Some(example) => command.arg(body_flag(example)),
            None => command,
        }
    }

    /// An argument for each id in the path. That of the Organization is the connection's.
    fn path_arguments(&self) -> impl Iterator<Item = Arg> {
        let ids = openapi::path_parameters(self.path).zip(self.ids);
        ids.filter(|(name, _)| *name != ORGANIZATION).map(|(name, id)| {
            let argument = Arg::new(name).required(true).help(id.doc.join(" ").trim().to_owned());
            match name {
                "workspaceId" => argument.long("workspace").env("AIRLOCK_WORKSPACE").value_name("ID"),
                "deploymentId" => argument.long("deployment").env("AIRLOCK_DEPLOYMENT").value_name("ID"),
                _ => argument.value_name(name.to_kebab_case()),
            }
        })
    }
}

/// A flag for a query parameter. Values are the server's to judge; only words of an enum are
/// checked here too, for completions know them then.
fn flag(parameter: &QueryParameter) -> Arg {
    let schema = &parameter.schema;
    let is_list = schema["type"] == "array";
    let one = if is_list { &schema["items"] } else { schema };
    let argument = Arg::new(parameter.name.clone())
        .long(parameter.name.to_kebab_case())
        .help(parameter.description.replace('\n', " "))
        .required(parameter.required)
        .action(if is_list { ArgAction::Append } else { ArgAction::Set });
    match words(one) {
        Some(words) => argument.value_parser(PossibleValuesParser::new(words)),
        None => argument.value_name(one["type"].as_str().unwrap_or("value").to_uppercase()),
    }
}

/// The words that a schema allows, when it is a choice among words.
fn words(schema: &Value) -> Option<Vec<String>> {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    match (&schema["enum"], &schema["oneOf"]) {
        (Value::Array(values), _) => values.iter().map(word).collect(),
        (_, Value::Array(arms)) => arms.iter().map(|arm| word(&arm["const"])).collect(),
        _ => None,
    }
}

fn body_flag(example: &Value) -> Arg {
    Arg::new(BODY)
        .long(BODY)
        .value_name("JSON")
        .required(true)
        .help(format!("The request's body, for example {example}; - reads it from standard input"))
}

impl Api {
    /// Calls the operation, and prints the answer as the server gave it.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        let target = format!("{}{}", self.path(&client).await?, self.query());
        let body = self.body()?;
        let mut answer = client.send(self.row.method, &target, body.as_ref()).await?;
        if self.row.access == Access::Download {
            while let Some(piece) = answer.chunk().await? {
                output::bytes(piece.as_ref())?;
            }
            return Ok(());
        }
        let bytes = answer.bytes().await?;
        if bytes.is_empty() { Ok(()) } else { output::json(&serde_json::from_slice::<Value>(&bytes)?) }
    }

    /// The path with its ids. They may be any text, for the server is asked what is behind them.
    async fn path(&self, client: &Client) -> anyhow::Result<String> {
        let mut path = String::new();
        for part in self.row.path.split('/').skip(1) {
            path.push('/');
            let value = match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                None => {
                    path.push_str(part);
                    continue;
                }
                Some(ORGANIZATION) => self.connection.organization(client).await?.to_string(),
                Some(name) => self.arguments.get_one::<String>(name).cloned().unwrap_or_default(),
            };
            path.extend(utf8_percent_encode(&value, NON_ALPHANUMERIC));
        }
        Ok(path)
    }

    fn query(&self) -> String {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        for QueryParameter { name, .. } in &self.row.query {
            for value in self.arguments.get_many::<String>(name).into_iter().flatten() {
                pairs.append_pair(name, value);
            }
        }
        let pairs = pairs.finish();
        if pairs.is_empty() { pairs } else { format!("?{pairs}") }
    }

    fn body(&self) -> anyhow::Result<Option<Value>> {
        if self.row.body.is_none() {
            return Ok(None);
        }
        let given = self.arguments.get_one::<String>(BODY).map_or("", String::as_str);
        let text =
            if given == "-" { io::read_to_string(io::stdin()).context("standard input")? } else { given.to_owned() };
        Ok(Some(serde_json::from_str(&text).context("the body is not JSON")?))
    }
}
