//! From a JSON Schema to a TypeScript type.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// How schemas that are referred to are called in TypeScript.
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    /// From pairs of a schema's name and its type's.
    pub(super) fn of(pairs: impl Iterator<Item = (String, String)>) -> Self {
        Self(pairs.collect())
    }

    /// `export interface …` or `export type …`, with its description.
    pub(super) fn declaration(&self, name: &str, schema: &Value) -> String {
        let head = documented(schema["description"].as_str().unwrap_or_default(), "");
        let name = self.0.get(name).map_or(name, String::as_str);
        let written = self.type_of(schema, "");
        if written.starts_with("{\n") {
            format!("{head}export interface {name} {written}\n")
        } else {
            format!("{head}export type {name} = {written};\n")
        }
    }

    /// The type of what `schema` accepts; lines behind the first begin with `indent`.
    pub(super) fn type_of(&self, schema: &Value, indent: &str) -> String {
        let Some(schema) = schema.as_object() else {
            return if schema == &Value::Bool(false) { "never" } else { "unknown" }.to_owned();
        };
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let name = target.rsplit('/').next().unwrap_or_default();
            return self.0.get(name).cloned().unwrap_or_else(|| "unknown".to_owned());
        }
        if let Some(value) = schema.get("const") {
            return value.to_string();
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return union(values.iter().map(Value::to_string));
        }
        for word in ["oneOf", "anyOf"] {
            if let Some(options) = schema.get(word).and_then(Value::as_array) {
                return union(options.iter().map(|option| self.type_of(option, indent)));
            }
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            let parts: Vec<_> = parts.iter().map(|part| bracketed(self.type_of(part, indent))).collect();
            return parts.join(" & ");
        }
        match schema.get("type") {
            Some(Value::String(name)) => self.of_type(name, schema, indent),
            Some(Value::Array(names)) => {
                union(names.iter().filter_map(Value::as_str).map(|name| self.of_type(name, schema, indent)))
            }
            _ if schema.contains_key("properties") => self.of_type("object", schema, indent),
            _ => "unknown".to_owned(),
        }
    }

    fn of_type(&self, name: &str, schema: &Map<String, Value>, indent: &str) -> String {
        match name {
            "integer" | "number" => "number".to_owned(),
            "array" => {
                if let Some(items) = schema.get("prefixItems").and_then(Value::as_array) {
                    let items: Vec<_> = items.iter().map(|item| self.type_of(item, indent)).collect();
                    return format!("[{}]", items.join(", "));
                }
                let item = schema.get("items").map_or_else(|| "unknown".to_owned(), |item| self.type_of(item, indent));
                format!("{}[]", bracketed(item))
            }
            "object" => self.object(schema, indent),
            other => other.to_owned(), // string, boolean, null: the same words
        }
    }

    fn object(&self, schema: &Map<String, Value>, indent: &str) -> String {
        let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|all| !all.is_empty()) else {
            let values = match schema.get("additionalProperties") {
                Some(values @ Value::Object(_)) => self.type_of(values, indent),
                _ if closed => "never".to_owned(),
                _ => "unknown".to_owned(),
            };
            return format!("Record<string, {values}>");
        };
        let required: Vec<_> = schema.get("required").and_then(Value::as_array).into_iter().flatten().collect();
        let inner = format!("{indent}  ");
        let mut text = "{\n".to_owned();
        for (name, property) in properties {
            let optional = if required.iter().any(|one| *one == name) { "" } else { "?" };
            text.push_str(&documented(property["description"].as_str().unwrap_or_default(), &inner));
            text.push_str(&format!("{inner}{}{optional}: {};\n", key(name), self.type_of(property, &inner)));
        }
        text.push_str(&format!("{indent}}}"));
        text
    }
}

/// `description` as a comment before what it describes; nothing for an empty one.
pub(super) fn documented(description: &str, indent: &str) -> String {
    let lines: Vec<_> = description.split('\n').map(|line| line.trim().replace("*/", "* /")).collect();
    match lines.as_slice() {
        [line] if line.is_empty() => String::new(),
        [line] => format!("{indent}/** {line} */\n"),
        lines => {
            let inner: String = lines.iter().map(|line| format!("{}\n", format!("{indent} * {line}").trim_end())).collect();
            format!("{indent}/**\n{inner}{indent} */\n")
        }
    }
}

/// A property's name, quoted where it must be.
pub(super) fn key(name: &str) -> String {
    let plain = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
    if plain { name.to_owned() } else { Value::from(name).to_string() }
}

/// `send_sms` as `SendSms`.
pub(super) fn pascal(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.flat_map(|word| word[..1].chars().map(|c| c.to_ascii_uppercase()).chain(word[1..].chars())).collect()
}

fn union(options: impl Iterator<Item = String>) -> String {
    let mut seen: Vec<String> = Vec::new();
    for option in options {
        if !seen.contains(&option) {
            seen.push(option);
        }
    }
    if seen.is_empty() { "never".to_owned() } else { seen.join(" | ") }
}

fn bracketed(written: String) -> String {
    if written.contains(" | ") && !written.starts_with('{') { format!("({written})") } else { written }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn written(schema: &Value) -> String {
        Names::of([("Id".to_owned(), "LeadId".to_owned())].into_iter()).type_of(schema, "")
    }

    #[test]
    fn each_form_of_schema_has_its_type() {
        for (schema, expected) in [
            (json!({"type": "integer", "format": "int64"}), "number"),
            (json!({"type": ["string", "null"]}), "string | null"),
            (json!({"$ref": "#/$defs/Id"}), "LeadId"),
            (json!({"$ref": "#/$defs/Unheard"}), "unknown"),
            (json!({"oneOf": [{"$ref": "#/$defs/Id"}, {"type": "null"}]}), "LeadId | null"),
            (json!({"enum": ["a", "b", 3]}), r#""a" | "b" | 3"#),
            (json!({"const": "only"}), r#""only""#),
            (json!({"type": "array", "items": {"type": ["string", "null"]}}), "(string | null)[]"),
            (json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}]}), "[string, number]"),
            (json!({"type": "object"}), "Record<string, unknown>"),
            (json!({"type": "object", "additionalProperties": false}), "Record<string, never>"),
            (json!({"type": "object", "additionalProperties": {"type": "integer"}}), "Record<string, number>"),
            (json!(true), "unknown"),
            (json!(false), "never"),
            (json!({}), "unknown"),
            (
                json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "boolean", "description": "Yes?"}, "b-c": {"type": "null"}}}),
                "{\n  /** Yes? */\n  a: boolean;\n  \"b-c\"?: null;\n}",
            ),
        ] {
            assert_eq!(written(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn a_description_can_not_end_its_comment() {
        assert_eq!(documented("a */ b", ""), "/** a * / b */\n");
        assert_eq!(documented("", "  "), "");
        assert_eq!(documented("one\n\ntwo", "  "), "  /**\n   * one\n   *\n   * two\n   */\n");
    }

    proptest! {
        #[test]
        fn whatever_a_name_holds_it_is_one_key(name in ".{0,20}") {
            let written = key(&name);
            prop_assert!(written == name || serde_json::from_str::<String>(&written).is_ok_and(|read| read == name));
        }
    }
}
