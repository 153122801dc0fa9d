//! JavaScript with `fetch`: a module that Node.js runs from version 18 on.

use super::{
    call::{Answer, Call, Id},
    literal::{Notation, quoted},
};
use crate::reference::Method;

/// The sample.
pub(super) fn code(call: &Call<'_>) -> String {
    let from_environment = call.ids.iter().filter_map(|id| id.environment);
    let from_environment: Vec<&str> = ["AIRLOCK_URL", "AIRLOCK_TOKEN"].into_iter().chain(from_environment).collect();
    let mut code = format!("const {{ {} }} = process.env;\n", from_environment.join(", "));
    let own = call.ids.iter().filter(|id| id.environment.is_none());
    code.extend(own.map(|id| format!("const {} = {};\n", variable(id), quoted(&id.example))));

    let put = |id: &Id| format!("${{{}}}", variable(id));
    code += &format!("\nconst url = `${{AIRLOCK_URL}}{}{}`;\n", call.path(put), call.query_string(put));
    code += &format!("const response = await fetch(url, {{\n{}}});\n", options(call));
    code += "if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);\n";
    code += match call.answer {
        Answer::Json => "console.log(await response.text());\n",
        Answer::Nothing => "",
        Answer::Lines => "for await (const chunk of response.body) process.stdout.write(chunk);\n",
    };
    code
}

fn variable(id: &Id) -> String {
    id.environment.unwrap_or_else(|| id.camel()).to_owned()
}

fn options(call: &Call<'_>) -> String {
    let key = |key: &str| {
        let is_name = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_name && !key.starts_with(|c: char| c.is_ascii_digit()) { key.to_owned() } else { quoted(key) }
    };
    let text = |text: &str| call.id(text).map_or_else(|| quoted(text), variable);
    let notation = Notation {
        null: "null",
        booleans: ["false", "true"],
        step: "  ",
        padding: " ",
        trailing_comma: true,
        key: &key,
        text: &text,
    };
    let mut options = String::new();
    if let Some(method) = call.method_unless(Method::Get) {
        options += &format!("  method: \"{method}\",\n");
    }
    let authorization = "Authorization: `Bearer ${AIRLOCK_TOKEN}`";
    match call.body_as(&notation, "  ") {
        None => options += &format!("  headers: {{ {authorization} }},\n"),
        Some(body) => {
            options += &format!("  headers: {{ {authorization}, \"Content-Type\": \"application/json\" }},\n");
            options += &format!("  body: JSON.stringify({body}),\n");
        }
    }
    options
}
