//! How the payloads of dead letters are edited: by a JSON patch (RFC 6902) that a caller sends, within bounds.

use json_patch::Patch;
use serde_json::Value;

/// Operations that an edit has at most: each is followed by a look at the whole payload.
const MOST: usize = 50;
/// Levels that a payload may have behind an operation; what runs has fewer, and is checked for that by the database.
const DEEPEST: usize = 64;
/// Its size then, about as it is written.
const LARGEST: usize = 512 * 1024;

/// What is done to a payload: a JSON patch, all of it or nothing.
#[derive(Debug, Clone)]
pub struct Edit(Patch);

impl Edit {
    /// Reads one; the text says what is wrong.
    pub fn read(value: Value) -> Result<Self, String> {
        let patch: Patch = serde_json::from_value(value).map_err(|error| error.to_string())?;
        if patch.0.len() > MOST {
            return Err(format!("it has {} operations, and may have {MOST}", patch.0.len()));
        }
        Ok(Self(patch))
    }

    /// Edits `payload`, which is worth nothing where this is refused. Operation by operation: a few that copy a list to its own
    /// end would double it each time, and a few dozen of those fill any memory.
    pub(super) fn apply(&self, payload: &mut Value) -> Result<(), String> {
        for (at, operation) in self.0.0.iter().enumerate() {
            json_patch::patch(payload, std::slice::from_ref(operation)).map_err(|mut error| {
                error.operation = at;
                format!("the edit does not fit: {error}")
            })?;
            if !fits(payload, DEEPEST, &mut LARGEST.clone()) {
                return Err(format!("the edit does not fit: its operation {at} makes the payload too large or too deep"));
            }
        }
        Ok(())
    }

    /// As it was written.
    pub(super) fn written(&self) -> Option<Value> {
        serde_json::to_value(&self.0).ok()
    }
}

/// Whether a value has no more levels than `levels` and about as many bytes as are `left`. It goes no deeper, and no further.
fn fits(value: &Value, levels: usize, left: &mut usize) -> bool {
    let own = match value {
        Value::String(text) => text.len() + 3,
        Value::Array(_) | Value::Object(_) => 2,
        _ => 5,
    };
    let Some(rest) = left.checked_sub(own) else { return false };
    *left = rest;
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(|item| fits(item, levels - 1, left)),
        Value::Object(fields) => {
            levels > 0
                && fields.iter().all(|(name, value)| {
                    *left = left.saturating_sub(name.len() + 4);
                    fits(value, levels - 1, left)
                })
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edited(mut payload: Value, operations: Vec<Value>) -> Result<Value, String> {
        Edit::read(Value::Array(operations))?.apply(&mut payload).map(|()| payload)
    }

    #[test]
    fn an_edit_is_as_the_standard_says() {
        let operations = vec![
            json!({ "op": "test", "path": "/a", "value": 1 }),
            json!({ "op": "copy", "from": "/a", "path": "/b" }),
            json!({ "op": "move", "from": "/a", "path": "/c" }),
        ];
        assert_eq!(edited(json!({ "a": 1 }), operations), Ok(json!({ "b": 1, "c": 1 })));
        let second = vec![json!({ "op": "add", "path": "/b", "value": 1 }), json!({ "op": "remove", "path": "/x" })];
        assert!(edited(json!({ "a": 1 }), second).is_err_and(|why| why.contains("'/1'")), "the operation is named by its place");
    }

    #[test]
    fn an_edit_that_doubles_and_doubles_is_refused_before_it_fills_the_memory() {
        let wider = json!({ "op": "copy", "from": "/a", "path": "/a/-" });
        let refused = edited(json!({ "a": ["some words"] }), vec![wider; MOST]).expect_err("a bomb");
        assert!(refused.contains("too large or too deep"), "{refused}");
        let deeper = json!({ "op": "copy", "from": "", "path": "/a" });
        let nested = edited(json!({ "a": 1 }), vec![deeper; MOST]);
        assert!(nested.is_ok(), "fifty levels: the database says what is too deep to run");
        let twice = |n: usize| json!({ "op": "copy", "from": "", "path": format!("/a{}", "/a".repeat((1 << n) - 1)) });
        let refused = edited(json!({ "a": 1 }), (0..10).map(twice).collect()).expect_err("a well");
        assert!(refused.contains("too large or too deep"), "{refused}");
    }

    #[test]
    fn an_edit_has_few_operations() {
        let test = json!({ "op": "test", "path": "/a", "value": 1 });
        assert!(edited(json!({ "a": 1 }), vec![test.clone(); MOST]).is_ok());
        assert!(edited(json!({ "a": 1 }), vec![test; MOST + 1]).is_err_and(|why| why.contains("51 operations")));
    }
}
