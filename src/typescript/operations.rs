//! A method for each operation of the OpenAPI document.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::schema::{Names, documented, key, pascal};

/// A parameter's place in a request.
const PLACES: [&str; 3] = ["path", "query", "header"];

struct Operation<'d> {
    name: &'d str,
    method: &'d str,
    path: &'d str,
    said: &'d Value,
    streams: bool,
}

/// Writes the class `Longshore` and what its methods take.
pub(super) fn write(text: &mut String, document: &Value, names: &Names) {
    let mut methods = String::new();
    for operation in operations(document) {
        let input = operation.input(names);
        let output = operation.output(names);
        if let Some((declaration, _)) = &input {
            text.push_str(declaration);
            text.push('\n');
        }
        let given = input.map(|(_, given)| format!("{given}, ")).unwrap_or_default();
        methods.push('\n');
        methods.push_str(&documented(&operation.description(), "  "));
        let (answer, through) = if operation.streams {
            ("AsyncGenerator<ServerEvent, void, undefined>".to_owned(), "stream")
        } else {
            (format!("Promise<{output}>"), "call")
        };
        let _ = write!(
            methods,
            "  {}({given}options?: CallOptions): {answer} {{\n    return this.{through}({}, options);\n  }}\n",
            operation.name,
            operation.request()
        );
    }
    let _ = write!(
        text,
        "/** The HTTP API. Each method is an operation of `/docs`; each throws a `LongshoreError` when it is refused. */\n\
         export class Longshore extends Requests {{\n{}}}\n",
        methods.trim_start_matches('\n')
    );
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, said) in methods.as_object().into_iter().flatten() {
            if let Some(name) = said["operationId"].as_str() {
                let streams = answers(said).any(|(_, content)| content.contains_key("text/event-stream"));
                all.push(Operation { name, method, path, said, streams });
            }
        }
    }
    all
}

/// What an operation answers when it goes well: each status, and its content.
fn answers(operation: &Value) -> impl Iterator<Item = (&String, &Map<String, Value>)> {
    let responses = operation["responses"].as_object().into_iter().flatten();
    responses
        .filter(|(status, _)| status.starts_with('2'))
        .filter_map(|(status, answer)| Some((status, answer["content"].as_object()?)))
}

impl Operation<'_> {
    fn parameters(&self, place: &str) -> impl Iterator<Item = &Value> {
        self.said["parameters"].as_array().into_iter().flatten().filter(move |parameter| parameter["in"] == place)
    }

    fn body(&self) -> Option<(&Value, bool)> {
        let body = &self.said["requestBody"];
        let schema = body.pointer("/content/application~1json/schema")?;
        Some((schema, body["required"] == true))
    }

    fn description(&self) -> String {
        let words = [self.said["summary"].as_str(), self.said["description"].as_str()];
        let mut words: Vec<_> = words.into_iter().flatten().map(str::to_owned).collect();
        words.push(format!("`{} {}`", self.method.to_uppercase(), self.path));
        words.join("\n\n")
    }

    /// What the method takes: the declaration of its type, and the argument of that type. None where there is nothing.
    fn input(&self, names: &Names) -> Option<(String, String)> {
        let type_name = format!("{}Input", pascal(self.name));
        let mut fields = String::new();
        let mut needed = false;
        for parameter in PLACES.into_iter().flat_map(|place| self.parameters(place)) {
            let required = parameter["required"] == true;
            needed |= required;
            fields.push_str(&documented(parameter["description"].as_str().unwrap_or_default(), "  "));
            let name = key(&field(parameter));
            let mut written = names.type_of(&parameter["schema"], "  ");
            if written.contains("string") && parameter.pointer("/schema/format") == Some(&"date-time".into()) {
                written.push_str(" | Date");
            }
            let _ = writeln!(fields, "  {name}{}: {written};", if required { "" } else { "?" });
        }
        if let Some((schema, required)) = self.body() {
            needed |= required;
            let _ = writeln!(fields, "  body{}: {};", if required { "" } else { "?" }, names.type_of(schema, "  "));
        }
        if fields.is_empty() {
            return None;
        }
        let given = if needed { format!("input: {type_name}") } else { format!("input: {type_name} = {{}}") };
        Some((format!("/** What `{}` takes. */\nexport interface {type_name} {{\n{fields}}}\n", self.name), given))
    }

    /// What the method gives: one of the contents of its good answers.
    fn output(&self, names: &Names) -> String {
        let mut written: Vec<String> = Vec::new();
        for (_, content) in answers(self.said) {
            let one =
                content.get("application/json").map_or_else(|| "unknown".to_owned(), |json| names.type_of(&json["schema"], "  "));
            if !written.contains(&one) {
                written.push(one);
            }
        }
        if written.is_empty() { "void".to_owned() } else { written.join(" | ") }
    }

    /// The request, as the runtime takes it.
    fn request(&self) -> String {
        let mut path = self.path.to_owned();
        for parameter in self.parameters("path") {
            let name = parameter["name"].as_str().unwrap_or_default();
            let given = format!("${{encodeURIComponent(input.{})}}", field(parameter));
            path = path.replace(&format!("{{{name}}}"), &given);
        }
        let mut text = format!("{{ method: \"{}\", path: `{path}`", self.method.to_uppercase());
        for (place, word) in [("query", "query"), ("header", "headers")] {
            let pairs: Vec<_> = self
                .parameters(place)
                .map(|parameter| format!("{}: input.{}", key(parameter["name"].as_str().unwrap_or_default()), field(parameter)))
                .collect();
            if !pairs.is_empty() {
                let _ = write!(text, ", {word}: {{ {} }}", pairs.join(", "));
            }
        }
        if self.body().is_some() {
            text.push_str(", body: input.body");
        }
        if self.parameters("header").any(|parameter| parameter["name"] == "Idempotency-Key") {
            text.push_str(", keyed: true");
        }
        text.push_str(" }");
        text
    }
}

/// How a parameter is called in TypeScript: `Idempotency-Key` is `idempotencyKey`, the rest keeps its name.
fn field(parameter: &Value) -> String {
    let name = parameter["name"].as_str().unwrap_or_default();
    if parameter["in"] == "header" || name.contains('-') {
        let name = pascal(name);
        return name.chars().take(1).flat_map(char::to_lowercase).chain(name.chars().skip(1)).collect();
    }
    name.to_owned()
}
