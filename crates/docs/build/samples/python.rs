//! Python with `requests`.

use super::{
    call::{Answer, Call, Id},
    literal::{self, Notation, quoted},
};

/// The sample.
pub(super) fn code(call: &Call<'_>) -> String {
    let mut lines = vec!["import os\n\nimport requests\n\nurl = os.environ[\"AIRLOCK_URL\"]".to_owned()];
    lines.push("token = os.environ[\"AIRLOCK_TOKEN\"]".into());
    lines.extend(call.ids.iter().map(variable));
    lines.push(String::new());
    let (before, after) = around(call.answer);
    let arguments = arguments(call).iter().map(|argument| format!("    {argument},\n")).collect::<String>();
    lines.push(format!("{before}(\n{arguments}){after}"));
    lines.join("\n").replace("METHOD", call.operation.method.lower()) + "\n"
}

fn variable(id: &Id) -> String {
    let value = match id.environment {
        Some(variable) => format!("os.environ[\"{variable}\"]"),
        None => quoted(&id.example),
    };
    format!("{} = {value}", id.snake())
}

fn arguments(call: &Call<'_>) -> Vec<String> {
    let text = |text: &str| call.id(text).map_or_else(|| quoted(text), Id::snake);
    let notation = Notation {
        null: "None",
        booleans: ["False", "True"],
        step: "    ",
        padding: "",
        trailing_comma: true,
        key: &quoted,
        text: &text,
    };
    let path = call.path(|id| format!("{{{}}}", id.snake()));
    let mut arguments = vec![format!("f\"{{url}}{path}\"")];
    arguments.push("headers={\"Authorization\": f\"Bearer {token}\"}".into());
    if !call.query.is_empty() {
        arguments.push(format!("params={}", literal::write(&call.query_object(), &notation, "    ")));
    }
    arguments.extend(call.body_as(&notation, "    ").map(|body| format!("json={body}")));
    if call.answer == Answer::Lines {
        arguments.push("stream=True".into());
    }
    arguments.push("timeout=30".into());
    arguments
}

/// What stands before the call's arguments, and after them.
fn around(answer: Answer) -> (&'static str, &'static str) {
    match answer {
        Answer::Json => ("response = requests.METHOD", "\nprint(response.text)\nresponse.raise_for_status()"),
        Answer::Nothing => ("response = requests.METHOD", "\nresponse.raise_for_status()"),
        Answer::Lines => (
            "with requests.METHOD",
            " as response:\n    response.raise_for_status()\n    for line in response.iter_lines():\n        print(line.decode())",
        ),
    }
}
