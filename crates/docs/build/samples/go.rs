//! Go with `net/http`.

use super::{
    call::{Call, Id},
    literal::{Notation, quoted},
};
use crate::reference::Method;

/// The sample.
pub(super) fn code(call: &Call<'_>) -> String {
    let variables: String = call.ids.iter().map(variable).collect();
    let gap = if variables.is_empty() { "" } else { "\n" };
    format!(
        "package main\n\nimport (\n{})\n\nfunc main() {{\n{variables}{gap}{}{REST}}}\n",
        imports(call).iter().map(|package| format!("\t\"{package}\"\n")).collect::<String>(),
        request(call),
    )
}

/// What is the same for every call: the answer's body is printed, also when it says what is wrong.
const REST: &str = r#"	request.Header.Set("Authorization", "Bearer "+os.Getenv("AIRLOCK_TOKEN"))

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(os.Stdout, response.Body); err != nil {
		log.Fatal(err)
	}
	if response.StatusCode >= 300 {
		log.Fatal(response.Status)
	}
"#;

fn imports(call: &Call<'_>) -> Vec<&'static str> {
    let mut imports = vec!["io", "log", "net/http", "os"];
    if !call.ids_in_body().is_empty() {
        imports.insert(0, "fmt");
    }
    if call.body.is_some() {
        imports.push("strings");
    }
    imports
}

/// Go's style has initialisms in upper case.
fn name(id: &Id) -> String {
    let name = id.camel().replace("Api", "API").replace("Ip", "IP");
    name.strip_suffix("Id").map_or(name.clone(), |rest| format!("{rest}ID"))
}

fn variable(id: &Id) -> String {
    let value = match id.environment {
        Some(variable) => format!("os.Getenv(\"{variable}\")"),
        None => quoted(&id.example),
    };
    format!("\t{} := {value}\n", name(id))
}

/// From the URL to the headers.
fn request(call: &Call<'_>) -> String {
    let put = |id: &Id| format!("\" + {} + \"", name(id));
    let url = format!("os.Getenv(\"AIRLOCK_URL\") + \"{}{}\"", call.path(put), call.query_string(put));
    let url = url.trim_end_matches(" + \"\"");
    let mut code = format!("\turl := {url}\n");
    let mut reader = "nil";
    if let Some(body) = body(call) {
        code += &format!("\tbody := {body}\n");
        reader = "body";
    }
    let method = match call.operation.method {
        Method::Get => "http.MethodGet",
        Method::Post => "http.MethodPost",
        Method::Delete => "http.MethodDelete",
    };
    code += &format!("\trequest, err := http.NewRequest({method}, url, {reader})\n");
    code += "\tif err != nil {\n\t\tlog.Fatal(err)\n\t}\n";
    if call.body.is_some() {
        code += "\trequest.Header.Set(\"Content-Type\", \"application/json\")\n";
    }
    code
}

/// The body as a raw string, in which ids are put by `Sprintf`.
fn body(call: &Call<'_>) -> Option<String> {
    let ids: Vec<String> = call.ids_in_body().into_iter().map(name).collect();
    // A raw string has no escapes, so JSON's are used for what ends it.
    let raw = |text: &str| quoted(text).replace('`', "\\u0060").replace('%', if ids.is_empty() { "%" } else { "%%" });
    let text = |text: &str| if call.id(text).is_some() { "%q".to_owned() } else { raw(text) };
    let notation = Notation {
        null: "null",
        booleans: ["false", "true"],
        step: "\t",
        padding: "",
        trailing_comma: false,
        key: &raw,
        text: &text,
    };
    let body = call.body_as(&notation, "\t")?;
    if ids.is_empty() {
        return Some(format!("strings.NewReader(`{body}`)"));
    }
    Some(format!("strings.NewReader(fmt.Sprintf(`{body}`, {}))", ids.join(", ")))
}
