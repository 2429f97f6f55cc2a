//! What a JSON document lacks to be a launch, or the details of a command: every mistake at once, each with its place.
//!
//! Guarantee: a document that is no launch has a mistake here, so its author hears the place of it and not only that it
//! can't be read. What is shaped well is checked like a launch as well: a field that is wrong hides no other.

use super::{LaunchProblem, nearest, shown, validate};
use serde_json::{Map, Value};
use sluice_schemas::CampaignLaunch;

mod fields;

use fields::{Field, LAUNCH, LIMITS, REASON, RETRY_FAILED, Shape, TIMES};

/// Mistakes that are told one by one; the others are counted.
const TOLD_MAX: usize = 50;

/// Bytes of a document whose mistakes are looked for, all of them: it takes some twenty times its size in memory. Of a
/// longer one the first mistake is told.
pub const SHAPE_BYTES_MAX: usize = 1 << 20;

/// The place of a document that is no object at all.
const WHOLE: &str = "the document";

/// What may be said with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Details {
    /// Nothing.
    Nothing,
    /// Of a pause, a resumption, a cancel.
    Reason,
    /// Of a retry.
    RetryFailed,
    /// New limits.
    Limits,
    /// New times.
    Times,
}

impl Details {
    /// All that keeps `document` from being these details, each mistake with its place; none where it is that.
    pub fn mistakes(self, mut document: Value) -> Vec<LaunchProblem> {
        let fields: &'static [Field] = match self {
            Details::Nothing => &[],
            Details::Reason => REASON,
            Details::RetryFailed => RETRY_FAILED,
            Details::Limits => LIMITS,
            Details::Times => TIMES,
        };
        let mut found = Found::default();
        Shape::Object(fields).mend(&mut document, "", &mut found);
        found.all()
    }
}

/// What a look at a document finds.
#[derive(Debug, Default)]
struct Found {
    is_launch: bool,
    told: Vec<LaunchProblem>,
    /// Those beside the ones told.
    more: usize,
    /// Places that are not told again: they are told as the misspelled name that stands there.
    hidden: Vec<String>,
}

impl Found {
    fn tell(&mut self, place: &str, problem: impl Into<String>, hint: impl Into<String>) {
        let place = if place.is_empty() { WHOLE } else { place };
        self.add(LaunchProblem::new(place, problem, hint));
    }

    fn add(&mut self, problem: LaunchProblem) {
        match self.told.len() < TOLD_MAX {
            true => self.told.push(problem),
            false => self.more += 1,
        }
    }

    fn count(&self) -> usize {
        self.told.len() + self.more
    }

    fn all(mut self) -> Vec<LaunchProblem> {
        if self.more > 0 {
            let problem = format!("there are {} more mistakes", self.more);
            self.told.push(LaunchProblem::new(WHOLE, problem, "correct these first"));
        }
        self.told
    }

    /// Whether a problem at `field` may only follow from what was mended.
    fn explains(&self, field: &str) -> bool {
        let mut broken = self.told.iter().map(|problem| &problem.field).chain(&self.hidden);
        broken.any(|broken| {
            let rest = field.strip_prefix(broken.as_str());
            let inside = rest.is_some_and(|rest| matches!(rest.bytes().next(), None | Some(b'.' | b'[')));
            // What a message has to hold is the channel's.
            let of_channel = || broken == "channel" && (field == "message" || field.starts_with("message."));
            inside || broken == WHOLE || of_channel()
        })
    }
}

/// All that keeps `document` from being a launch; none where it is one.
pub(super) fn mistakes(mut document: Value) -> Vec<LaunchProblem> {
    let mut found = Found { is_launch: true, ..Found::default() };
    Shape::Object(LAUNCH).mend(&mut document, "", &mut found);
    if found.told.is_empty() {
        return Vec::new();
    }
    let mended = serde_json::from_value::<CampaignLaunch>(document).ok();
    let mut rest = mended.and_then(|launch| validate(&launch).err()).unwrap_or_default();
    rest.retain(|problem| !found.explains(&problem.field));
    rest.into_iter().for_each(|problem| found.add(problem));
    found.all()
}

fn join(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

impl Shape {
    /// Notes what is wrong with `value` at `place`, and puts something harmless of this shape there.
    fn mend(&self, value: &mut Value, place: &str, found: &mut Found) {
        match (self, &mut *value) {
            (Shape::Json, _) | (Shape::Text, Value::String(_)) | (Shape::Truth, Value::Bool(_)) => return,
            (Shape::Whole(from, to), Value::Number(number))
                if number.as_i64().is_some_and(|number| (*from..=*to).contains(&number)) =>
            {
                return;
            }
            (Shape::Word(known), Value::String(word)) if known.contains(&word.as_str()) => return,
            (Shape::List(of), Value::Array(items)) => {
                let before = found.count();
                for (number, item) in items.iter_mut().enumerate() {
                    of.mend(item, &format!("{place}[{number}]"), found);
                }
                // There is no harmless word: the list goes without any.
                if matches!(of, Shape::Word(_)) && found.count() > before {
                    items.clear();
                }
                return;
            }
            (Shape::Texts, Value::Object(texts)) => {
                for (name, text) in texts.iter_mut() {
                    Shape::Text.mend(text, &join(place, &shown(name)), found);
                }
                return;
            }
            (Shape::Object(fields), Value::Object(given)) => return object(fields, given, place, found),
            _ => {}
        }
        let (wanted, hint) = self.wanted(value);
        found.tell(place, format!("{} is {wanted}", told(value)), hint);
        *value = self.harmless();
    }

    /// What a value of another shape is not, and what to do.
    fn wanted(&self, value: &Value) -> (&'static str, String) {
        match self {
            Shape::Json => ("no document", String::new()),
            Shape::Truth => ("neither true nor false", "write true or false, without quotes".to_owned()),
            Shape::Text if value.is_number() || value.is_boolean() => {
                ("no text", "write it in double quotes".to_owned())
            }
            Shape::Text => ("no text", "write a text in double quotes".to_owned()),
            Shape::Whole(..) => ("no whole number", "write digits, without quotes".to_owned()),
            Shape::Word(known) => {
                let near = value.as_str().and_then(|word| nearest(word, known.iter().copied()));
                let hint = match near {
                    Some(near) => format!("perhaps `{near}` is meant"),
                    None => format!("known are: {}", known.join(", ")),
                };
                ("none of the known words", hint)
            }
            Shape::List(_) => ("no list", "write it in [ and ]".to_owned()),
            Shape::Texts | Shape::Object(_) => ("no object", "write names and values in { and }".to_owned()),
        }
    }

    fn harmless(&self) -> Value {
        match self {
            Shape::Json | Shape::Text => Value::String(String::new()),
            Shape::Truth => Value::from(false),
            Shape::Whole(..) => Value::from(1),
            Shape::Word(known) => Value::from(known[0]),
            Shape::List(_) => Value::Array(Vec::new()),
            Shape::Texts => Value::Object(Map::new()),
            Shape::Object(fields) => {
                let needed = fields.iter().filter(|field| field.is_needed());
                Value::Object(needed.map(|field| (field.name.to_owned(), field.shape.harmless())).collect())
            }
        }
    }
}

fn object(fields: &[Field], given: &mut Map<String, Value>, place: &str, found: &mut Found) {
    let names = || fields.iter().map(|field| field.name);
    let unknown: Vec<String> =
        given.keys().filter(|name| names().all(|known| known != name.as_str())).cloned().collect();
    for name in unknown {
        given.remove(&name);
        let right = found.is_launch.then(|| fields::place_of(&name)).flatten();
        let hint = match (right, nearest(&name, names())) {
            (Some(right), _) => format!("it belongs to `{right}`"),
            (None, Some(near)) => {
                if !given.contains_key(near) {
                    found.hidden.push(join(place, near));
                }
                format!("perhaps `{near}` is meant")
            }
            (None, None) if fields.is_empty() => "leave it out".to_owned(),
            (None, None) => format!("known are: {}", names().collect::<Vec<_>>().join(", ")),
        };
        found.tell(&join(place, &shown(&name)), "there is no such field", hint);
    }
    for field in fields {
        let place = join(place, field.name);
        match given.get_mut(field.name) {
            Some(Value::Null) if field.may_be_null() => {}
            Some(value) => field.shape.mend(value, &place, found),
            None if field.is_needed() => {
                given.insert(field.name.to_owned(), field.shape.harmless());
                if !found.hidden.contains(&place) {
                    found.tell(&place, "it is missing", field.hint());
                }
            }
            None => {}
        }
    }
}

/// A value as a message tells it.
fn told(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => format!("`{}`", shown(text)),
        other => format!("`{other}`"),
    }
}

#[cfg(test)]
mod tests;
