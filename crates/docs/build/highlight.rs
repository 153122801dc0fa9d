//! Code with its words marked, in a few classes that the style sheet knows.

use std::{fmt::Write, sync::LazyLock};

use syntect::{
    parsing::{ParseState, Scope, ScopeStack, SyntaxSet},
    util::LinesWithEndings,
};

static SYNTAXES: LazyLock<SyntaxSet> = LazyLock::new(SyntaxSet::load_defaults_newlines);

/// Which class a scope gets; the first that fits, from the innermost scope outwards.
static CLASSES: LazyLock<Vec<(Scope, Option<&'static str>)>> = LazyLock::new(|| {
    let classes = [
        ("comment", Some("c")),
        ("punctuation.definition.comment", Some("c")),
        ("meta.interpolation", None),
        ("variable.other.readwrite.shell", Some("v")),
        ("punctuation.definition.variable", Some("v")),
        ("string", Some("s")),
        ("constant.numeric", Some("n")),
        ("constant.language", Some("n")),
        ("constant.character.escape", Some("s")),
        ("keyword.operator", None),
        ("keyword", Some("w")),
        ("storage", Some("w")),
        ("support.function", Some("f")),
        ("entity.name.function", Some("f")),
        ("variable.function", Some("f")),
    ];
    classes.into_iter().filter_map(|(name, class)| Some((Scope::new(name).ok()?, class))).collect()
});

/// The name of a field in JSON, which is a string as well.
static KEY: LazyLock<Scope> = LazyLock::new(|| Scope::new("meta.structure.dictionary.key.json").unwrap_or_default());

/// The code as HTML. A language that nobody knows is left plain.
pub(crate) fn html(code: &str, language: &str) -> String {
    marked(code, language).unwrap_or_else(|| escaped(code))
}

fn marked(code: &str, language: &str) -> Option<String> {
    let syntax = SYNTAXES.find_syntax_by_token(language).filter(|_| !language.is_empty())?;
    let mut state = ParseState::new(syntax);
    let mut stack = ScopeStack::new();
    let mut out = Writer::default();
    for line in LinesWithEndings::from(code) {
        let mut from = 0;
        for (at, change) in state.parse_line(line, &SYNTAXES).ok()? {
            out.write(&line[from..at], class(&stack));
            stack.apply(&change).ok()?;
            from = at;
        }
        out.write(&line[from..], class(&stack));
    }
    Some(out.finish())
}

fn class(stack: &ScopeStack) -> Option<&'static str> {
    if stack.scopes.contains(&KEY) {
        return Some("p");
    }
    let fits = |scope: &Scope| CLASSES.iter().find(|(prefix, _)| prefix.is_prefix_of(*scope));
    stack.scopes.iter().rev().find_map(fits).and_then(|(_, class)| *class)
}

/// Writes neighbours of one class as one element.
#[derive(Default)]
struct Writer {
    html: String,
    open: Option<&'static str>,
}

impl Writer {
    fn write(&mut self, text: &str, class: Option<&'static str>) {
        if text.is_empty() {
            return;
        }
        // A space looks the same in any class.
        if class != self.open && !text.trim().is_empty() {
            self.close();
            if let Some(class) = class {
                _ = write!(self.html, "<span class=\"{class}\">");
            }
            self.open = class;
        }
        self.html += &escaped(text);
    }

    fn close(&mut self) {
        if self.open.take().is_some() {
            self.html += "</span>";
        }
    }

    fn finish(mut self) -> String {
        self.close();
        self.html
    }
}

/// Text as HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
