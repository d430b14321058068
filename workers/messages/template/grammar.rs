//! How much of the template language a text may use: values, what stands in for them, and a choice between two.
//!
//! Templates are strangers' programs. The language has loops, assignments and repetition, with which a line of it fills any
//! memory (`{% set x = x ~ x %}` forty times, `'x' * 100000000`, `|indent(99999999999)`), and the process that fills it serves
//! every team. None of them is needed to write a text, so none is there: what is left grows no longer than the template and the
//! values it names.

use minijinja::{Environment, UndefinedBehavior, filters, tests};

use super::TemplateError;

/// What may begin a `{% … %}`.
const STATEMENTS: [&str; 4] = ["if", "elif", "else", "endif"];
/// What may follow a `|`.
const FILTERS: [&str; 6] = ["default", "upper", "lower", "title", "capitalize", "trim"];

/// A language of just that.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(super::FUEL));
    environment.add_filter("default", filters::default);
    environment.add_filter("upper", filters::upper);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("title", filters::title);
    environment.add_filter("capitalize", filters::capitalize);
    environment.add_filter("trim", filters::trim);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("undefined", tests::is_undefined);
    environment
}

/// Refuses a template that uses more of the language. It reads as the language does: a text in quotes is skipped, everything
/// else is looked at sign by sign, and what could be read in two ways (braces, `%`) is refused.
pub(super) fn check(template: &str) -> Result<(), TemplateError> {
    let refuse = |what: String| Err(TemplateError::Syntax(what));
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        rest = &rest[at + 1..];
        match rest.chars().next() {
            Some('#') => match rest.find("#}") {
                Some(end) => rest = &rest[end + 2..],
                None => return refuse("a comment has no end".into()),
            },
            Some(open @ ('{' | '%')) => {
                rest = &rest[1..];
                if open == '%' {
                    let inside = rest.trim_start_matches(['-', '+']).trim_start();
                    let name = word(inside);
                    if !STATEMENTS.contains(&name) {
                        return refuse(format!("{{% {name} %}} is not for texts; there are {}", STATEMENTS.join(", ")));
                    }
                }
                match expression(rest, open) {
                    Ok(behind) => rest = behind,
                    Err(what) => return refuse(what),
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Reads to the end of what `{{` or `{%` began, and returns what is behind it.
fn expression(text: &str, open: char) -> Result<&str, String> {
    let mut signs = text.char_indices();
    let mut quote = None;
    while let Some((at, sign)) = signs.next() {
        match (quote, sign) {
            (Some(_), '\\') => drop(signs.next()),
            (Some(begun), _) if begun == sign => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(sign),
            (None, '}') if open == '{' && text[at + 1..].starts_with('}') => return Ok(&text[at + 2..]),
            (None, '%') if open == '%' && text[at + 1..].starts_with('}') => return Ok(&text[at + 2..]),
            (None, '|') => {
                let name = word(text[at + 1..].trim_start());
                if !FILTERS.contains(&name) {
                    return Err(format!("|{name} is not for texts; there are {}", FILTERS.join(", ")));
                }
            }
            (None, '*' | '%' | '{' | '}' | '[' | ']') => return Err(format!("{sign} is not for texts")),
            (None, _) => {}
        }
    }
    Err(format!("{{{open} has no end"))
}

/// The word that a text begins with.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod cases {
    use proptest::prelude::*;

    use super::{super::*, check as allowed};

    #[test]
    fn no_template_fills_the_memory() {
        let doubled = format!("{{% set x = 'xxxxxxxx' %}}{}", "{% set x = x ~ x %}".repeat(60));
        let captured = format!("{{% set x %}}y{{% endset %}}{}", "{% set x %}{{ x }}{{ x }}{% endset %}".repeat(30));
        for bomb in [
            doubled.as_str(),
            captured.as_str(),
            "{{ 'x' * 100000000 }}",
            "{{ 'x' * 100000000 ~ 'x' * 100000000 }}",
            "{{ [1] * 100000000 }}",
            "{{ 'x' | indent(99999999999) }}",
            "{{ 'x' | replace('', 'yyyy') | replace('', 'yyyy') }}",
            "{{ '%1000000000d' | format(1) }}",
            "{{ '%1000000000d' % 1 }}",
            "{{ range(100000) | join('xxxx') }}",
            "{% for i in range(100000) %}xxxxxxxxxxxxxxxx{% endfor %}",
            "{%- for i in 'abc' -%}x{% endfor %}",
            "{% macro m() %}x{% endmacro %}{{ m() }}",
            "{% raw %}{{ ' {% endraw %}{{ 'x' * 100000000 }}",
            "{# ' #}{{ 'x' * 100000000 }}",
            "{{ 'a\\'' * 100000000 }}",
            "{{ {'a': 'x' * 100000000} }}",
            "{{ \"}}\" }}{{ 'x' * 100000000 }}",
        ] {
            assert!(check(bomb).is_err(), "{bomb}");
            assert!(render(bomb, &serde_json::json!({}), &Brand::new()).is_err(), "{bomb}");
        }
    }

    #[test]
    fn a_text_has_values_what_stands_in_for_them_and_a_choice() {
        let ada = serde_json::json!({ "first_name": "ada", "city": "Paris" });
        for (template, text) in [
            ("Hi {{ first_name | title }}!", "Hi Ada!"),
            ("Hi {{ last_name | default('there') }} 100% {sure}", "Hi there 100% {sure}"),
            ("{% if city == 'Paris' %}Salut{% elif city %}Hi{% else %}?{% endif %} {{ first_name|upper }}", "Salut ADA"),
            ("{%- if last_name is defined -%} {{ last_name }} {%- else -%} friend {%- endif -%}", "friend"),
            ("{{ first_name ~ ' of ' ~ city }}{# nobody reads this #}", "ada of Paris"),
            ("{{ \"it's }} a \\\" brace\" }}", "it's }} a \" brace"),
        ] {
            assert_eq!(check(template), Ok(()), "{template}");
            assert_eq!(render(template, &ada, &Brand::new()).as_deref(), Ok(text), "{template}");
        }
    }

    proptest! {
        /// What is allowed grows by no more than what the template names, however often.
        #[test]
        fn whatever_is_allowed_stays_small(template in "(\\{\\{|\\{%|%\\}|\\}\\}|if|endif|set x =|'[ax]*'|x|first_name|~|\\+|\\*|\\||indent|\\(|\\)|9999|[ '\"\\\\{}%#-])*") {
            if allowed(&template).is_ok() {
                let filled = render(&template, &serde_json::json!({ "first_name": "abcdefgh" }), &Brand::new());
                prop_assert!(filled.map_or(0, |text| text.len()) <= template.len() * 8 + 8);
            }
        }
    }
}
