//! Rust with our own client.

use super::{
    call::{Answer, Call, Id},
    literal::{self, Notation, quoted},
};

/// The sample.
pub(super) fn code(call: &Call<'_>) -> String {
    let variables: String = call.ids.iter().map(variable).collect();
    let gap = if variables.is_empty() { "" } else { "\n" };
    let Input { path, query, body, lets } = Input::of(call);
    let arguments = match call.answer {
        Answer::Lines => format!("{path}, {query}"),
        _ => format!("{path}, {query}, {body}"),
    };
    let operation = &call.operation.id;
    let rest = match call.answer {
        Answer::Json => format!(
            "    let answer = client.call::<{operation}>({arguments}).await?;
    println!(\"{{}}\", serde_json::to_string_pretty(&answer)?);\n"
        ),
        Answer::Nothing => format!("    client.call::<{operation}>({arguments}).await?;\n"),
        Answer::Lines => format!(
            "    let mut answer = client.download::<{operation}>({arguments}).await?;
    while let Some(chunk) = answer.chunk().await? {{
        std::io::stdout().write_all(chunk.as_ref())?;
    }}\n"
        ),
    };
    format!(
        "{}
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {{
{variables}{gap}    let client = Client::new(&var(\"AIRLOCK_URL\")?, &var(\"AIRLOCK_TOKEN\")?)?;
{lets}{rest}    Ok(())
}}
",
        imports(call),
    )
}

fn imports(call: &Call<'_>) -> String {
    let mut contract = vec![format!("operations::{}", call.operation.id)];
    if call.path_ids().is_empty() {
        contract.push("path::Root".into());
    }
    let has_query = !call.operation.query_parameters.is_empty();
    if !has_query {
        contract.push("wire::NoQuery".into());
    }
    let contract = if let [only] = contract.as_slice() { only.clone() } else { format!("{{{}}}", contract.join(", ")) };
    let std = if call.answer == Answer::Lines { "use std::{env::var, io::Write};" } else { "use std::env::var;" };
    let json = if has_query || call.body.is_some() { "use serde_json::{from_value, json};\n" } else { "" };
    format!("{std}\n\nuse airlock_client::Client;\nuse airlock_contract::{contract};\n{json}")
}

fn variable(id: &Id) -> String {
    let value = match id.environment {
        Some(variable) => format!("var(\"{variable}\")?"),
        None => quoted(&id.example),
    };
    format!("    let {} = {value};\n", id.snake())
}

/// The arguments of the call, and the statements that make them.
struct Input {
    path: &'static str,
    query: &'static str,
    body: &'static str,
    lets: String,
}

impl Input {
    fn of(call: &Call<'_>) -> Self {
        let mut input = Self { path: "&Root", query: "&NoQuery {}", body: "&()", lets: String::new() };
        if !call.path_ids().is_empty() {
            let ids = call.path_ids().iter().map(|id| match id.environment {
                Some(_) => format!("{}.as_str()", id.snake()),
                None => id.snake(),
            });
            input.lets += &format!("    let path = [{}].into();\n", ids.collect::<Vec<_>>().join(", "));
            input.path = "&path";
        }
        let text = |text: &str| call.id(text).map_or_else(|| quoted(text), Id::snake);
        let notation = Notation {
            null: "null",
            booleans: ["false", "true"],
            step: "    ",
            padding: "",
            trailing_comma: true,
            key: &quoted,
            text: &text,
        };
        if !call.operation.query_parameters.is_empty() {
            let query = literal::write(&call.query_object(), &notation, "    ");
            input.lets += &format!("    let query = from_value(json!({query}))?;\n");
            input.query = "&query";
        }
        if let Some(body) = call.body_as(&notation, "    ") {
            input.lets += &format!("    let body = from_value(json!({body}))?;\n");
            input.body = "&body";
        }
        input
    }
}
