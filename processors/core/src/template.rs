//! Templates: a text or a JSON document with `{{variable}}` inside, compiled once, rendered per recipient.
//!
//! Guarantee: what a JSON template renders is a JSON document, and each value stands in it unchanged,
//! whatever characters it holds. A missing or empty variable is an error by name, never an empty gap (A8).
//!
//! Not done here: expressions, defaults, conditions.

use std::fmt::Write as _;

/// Characters of a variable's name at most.
pub const NAME_CHARS_MAX: usize = 64;

/// Why a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `{{` without `}}`.
    #[error("{{{{ at character {at} is never closed by }}}}")]
    Unclosed {
        /// Where it opens: characters from 1.
        at: usize,
    },
    /// What stands between the braces is not a name.
    #[error("`{name}` at character {at} is not a variable name: {problem}")]
    BadName {
        /// What stands there.
        name: String,
        /// Where it opens: characters from 1.
        at: usize,
        /// What a name may be.
        problem: &'static str,
    },
    /// The document is not JSON.
    #[error("not a JSON document: {message} at line {line}, column {column}{hint}")]
    NotJson {
        /// Line from 1.
        line: usize,
        /// Column from 1.
        column: usize,
        /// What the parser says.
        message: String,
        /// What may help, or nothing.
        hint: &'static str,
    },
}

/// A variable has no value for this recipient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("variable `{name}` has no value")]
pub struct MissingVariable {
    /// The variable's name.
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    /// Index into the names.
    Slot(usize),
}

/// A compiled template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
    names: Vec<Box<str>>,
    escape: Escape,
    literal_bytes: usize,
}

impl Template {
    /// A plain text: `Hi {{first_name}}`.
    pub fn text(source: &str) -> Result<Self, TemplateError> {
        let mut template = Template::empty(Escape::None);
        let mut literal = String::with_capacity(source.len());
        template.scan(source, 0, source.len(), &mut literal)?;
        template.close(literal);
        Ok(template)
    }

    /// A JSON document with placeholders inside its string values; keys stay as they are. White space
    /// between tokens is dropped. A value that must hold two braces writes the first as `\u007b`.
    pub fn json(source: &str) -> Result<Self, TemplateError> {
        check_json(source)?;
        let mut template = Template::empty(Escape::Json);
        let mut literal = String::with_capacity(source.len());
        let bytes = source.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'"' => {
                    let end = string_end(bytes, at);
                    let is_key = bytes[end..].iter().find(|b| !b.is_ascii_whitespace()) == Some(&b':');
                    if is_key {
                        literal.push_str(&source[at..end]);
                    } else {
                        template.scan(source, at, end, &mut literal)?;
                    }
                    at = end;
                }
                b' ' | b'\t' | b'\n' | b'\r' => at += 1,
                // The document is valid, so what stands outside of strings is ASCII.
                _ => {
                    literal.push(char::from(byte));
                    at += 1;
                }
            }
        }
        template.close(literal);
        Ok(template)
    }

    fn empty(escape: Escape) -> Self {
        Template { parts: Vec::new(), names: Vec::new(), escape, literal_bytes: 0 }
    }

    /// Takes `source[start..end]` apart into literals and slots.
    fn scan(
        &mut self,
        source: &str,
        start: usize,
        end: usize,
        literal: &mut String,
    ) -> Result<(), TemplateError> {
        let mut rest = start;
        while let Some(open) = source[rest..end].find("{{").map(|found| rest + found) {
            literal.push_str(&source[rest..open]);
            let position = || source[..open].chars().count() + 1;
            let Some(length) = source[open + 2..end].find("}}") else {
                return Err(TemplateError::Unclosed { at: position() });
            };
            let name = source[open + 2..open + 2 + length].trim();
            if let Err(problem) = check_name(name) {
                let name = name.chars().take(NAME_CHARS_MAX).collect();
                return Err(TemplateError::BadName { name, at: position(), problem });
            }
            self.close(std::mem::take(literal));
            let slot = self.slot(name);
            self.parts.push(Part::Slot(slot));
            rest = open + 2 + length + 2;
        }
        literal.push_str(&source[rest..end]);
        Ok(())
    }

    fn close(&mut self, literal: String) {
        if !literal.is_empty() {
            self.literal_bytes += literal.len();
            self.parts.push(Part::Literal(literal.into_boxed_str()));
        }
    }

    fn slot(&mut self, name: &str) -> usize {
        match self.names.iter().position(|known| **known == *name) {
            Some(slot) => slot,
            None => {
                self.names.push(name.into());
                self.names.len() - 1
            }
        }
    }

    /// The names used, each once, in the order of their first use.
    pub fn variables(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Whether it says the same to everybody.
    pub fn is_static(&self) -> bool {
        self.names.is_empty()
    }

    /// Bytes that are the same for everybody.
    pub fn literal_bytes(&self) -> usize {
        self.literal_bytes
    }

    /// Characters that are the same for everybody.
    pub fn literal_chars(&self) -> usize {
        let literals = self.parts.iter().map(|part| match part {
            Part::Literal(text) => text.chars().count(),
            Part::Slot(_) => 0,
        });
        literals.sum()
    }

    /// Appends the rendered document to `out`; on an error `out` is as before. A value that `lookup`
    /// gives as empty counts as missing.
    pub fn render<'v>(
        &self,
        lookup: impl Fn(&str) -> Option<&'v str>,
        out: &mut Vec<u8>,
    ) -> Result<(), MissingVariable> {
        let before = out.len();
        out.reserve(self.literal_bytes + 16 * self.names.len());
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Slot(slot) => {
                    let name = &*self.names[*slot];
                    match lookup(name).filter(|value| !value.is_empty()) {
                        Some(value) if self.escape == Escape::Json => escape_json(value, out),
                        Some(value) => out.extend_from_slice(value.as_bytes()),
                        None => {
                            out.truncate(before);
                            return Err(MissingVariable { name: name.to_owned() });
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The first variable without a value, without rendering.
    pub fn first_missing<'v>(&self, lookup: impl Fn(&str) -> Option<&'v str>) -> Option<&str> {
        self.variables().find(|name| lookup(name).is_none_or(str::is_empty))
    }
}

/// Appends `value` as the inside of a JSON string.
pub fn escape_json(value: &str, out: &mut Vec<u8>) {
    let bytes = value.as_bytes();
    let mut clean_from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0..=0x1f => 0,
            _ => continue,
        };
        out.extend_from_slice(&bytes[clean_from..at]);
        clean_from = at + 1;
        if short == 0 {
            let mut code = String::with_capacity(6);
            // Writing to a String cannot fail.
            if write!(code, "\\u{byte:04x}").is_ok() {
                out.extend_from_slice(code.as_bytes());
            }
        } else {
            out.extend_from_slice(&[b'\\', short]);
        }
    }
    out.extend_from_slice(&bytes[clean_from..]);
}

fn check_json(source: &str) -> Result<(), TemplateError> {
    let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(source) else { return Ok(()) };
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
    let hint = if source.contains("{{") { "; placeholders stand inside strings: \"{{name}}\"" } else { "" };
    Err(TemplateError::NotJson { line: error.line(), column: error.column(), message, hint })
}

/// The end of the string that opens at `start`, behind its closing quote. The document is valid.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return Err("it is longer than 64 characters");
    }
    if !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ')) {
        return Err("a name has letters, digits, _ - . and spaces inside");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &Template, values: &[(&str, &str)]) -> Result<String, MissingVariable> {
        let mut out = Vec::new();
        let find = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        template.render(find, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_text_takes_the_values_in_their_places() {
        let template = Template::text("Hi {{first_name}}, {{ code }} is for {{first_name}}.").unwrap();
        assert_eq!(template.variables().collect::<Vec<_>>(), ["first_name", "code"]);
        let text = render(&template, &[("first_name", "Chloé"), ("code", "A\"B")]).unwrap();
        assert_eq!(text, "Hi Chloé, A\"B is for Chloé.");
        assert_eq!(render(&Template::text("plain { } }}").unwrap(), &[]).unwrap(), "plain { } }}");
    }

    #[test]
    fn a_missing_or_empty_value_is_an_error_by_name_and_leaves_the_output_alone() {
        let template = Template::text("Hi {{first_name}} {{coupon}}").unwrap();
        let mut out = b"before".to_vec();
        let values = |name: &str| (name == "first_name").then_some("Ana");
        assert_eq!(template.render(values, &mut out).unwrap_err().name, "coupon");
        assert_eq!(out, b"before");
        assert_eq!(render(&template, &[("first_name", "Ana"), ("coupon", "")]).unwrap_err().name, "coupon");
        assert_eq!(template.first_missing(values), Some("coupon"));
    }

    #[test]
    fn mistakes_in_placeholders_are_found_when_compiling_with_their_position() {
        assert_eq!(Template::text("Hé {{name").unwrap_err(), TemplateError::Unclosed { at: 4 });
        assert!(matches!(Template::text("{{}}").unwrap_err(), TemplateError::BadName { at: 1, .. }));
        assert!(matches!(Template::text("a{{b{{c}}").unwrap_err(), TemplateError::BadName { at: 2, .. }));
        assert!(matches!(Template::text("{{{a}}}").unwrap_err(), TemplateError::BadName { .. }));
        assert!(matches!(Template::json(r#"["{{a\"b}}"]"#).unwrap_err(), TemplateError::BadName { .. }));
        assert!(matches!(Template::json(r#"["{{a", "b}}"]"#).unwrap_err(), TemplateError::Unclosed { .. }));
        let message = Template::text("Hé {{name").unwrap_err().to_string();
        assert_eq!(message, "{{ at character 4 is never closed by }}");
    }

    #[test]
    fn a_json_template_must_be_json_and_says_where_it_is_not() {
        let error = Template::json("{\n  \"a\": {{b}}\n}").unwrap_err();
        assert!(matches!(error, TemplateError::NotJson { line: 2, .. }), "{error:?}");
        assert!(error.to_string().contains("inside strings"), "{error}");
    }

    #[test]
    fn keys_stay_as_they_are_and_white_space_between_tokens_goes() {
        let template = Template::json("{ \"{{k}}\" :\n [ \"x {{v}} \\\" y\", 1.5, true, null ] }").unwrap();
        assert_eq!(template.variables().collect::<Vec<_>>(), ["v"]);
        let text = render(&template, &[("v", "1")]).unwrap();
        assert_eq!(text, r#"{"{{k}}":["x 1 \" y",1.5,true,null]}"#);
        let braces = Template::json(r#"["\u007b{a}}"]"#).unwrap();
        assert!(braces.is_static());
    }

    #[test]
    fn a_rendered_document_parses_and_holds_each_value_unchanged() {
        let template = Template::json(r#"{"a":"<{{x}}>","b":["{{y}}"],"c":{"{{x}}":"{{x}}{{y}}"}}"#).unwrap();
        let pieces = [
            "\"", "\\", "\n", "\r", "\t", "\0", "\u{1f}", "é", "😀", "{{x}}", "a", "\u{2028}", "/", "\u{7f}",
        ];
        let mut state = 11_u64;
        let mut value = |salt: u64| {
            let mut text = String::from("v");
            for _ in 0..8 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(salt | 1);
                text.push_str(pieces[(state >> 40) as usize % pieces.len()]);
            }
            text
        };
        for round in 0..5_000 {
            let (x, y) = (value(round), value(round * 7));
            let text = render(&template, &[("x", &x), ("y", &y)]).unwrap();
            let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(parsed["a"], format!("<{x}>"));
            assert_eq!(parsed["b"][0], y);
            assert_eq!(parsed["c"]["{{x}}"], format!("{x}{y}"));
        }
    }
}
