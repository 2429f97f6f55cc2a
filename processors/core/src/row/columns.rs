//! Which column of an audience means what.

use crate::launch::nearest;
use sluice_schemas::{Channel, StringMap};
use std::collections::HashSet;
use std::sync::Arc;

use super::Cells;

/// The fields that `audience.columns` of a launch can map to a column.
pub const FIELDS: [&str; 8] =
    ["address", "opt_in", "opted_out", "name", "customer_id", "time_zone", "page_id", "send_date"];

/// Columns that a message lists at most.
const LISTED_MAX: usize = 30;

/// Why the columns of an audience cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnsError {
    /// No column holds an address for the channel.
    #[error(
        "no column holds an address for {channel}: looked for {wanted}; the columns are {found}; \
         name yours in the launch: \"audience\": {{\"columns\": {{\"address\": \"...\"}}}}"
    )]
    NoAddress {
        /// The campaign's channel.
        channel: Channel,
        /// The names that would do.
        wanted: String,
        /// The names there are.
        found: String,
    },
    /// The launch maps a field to a column that is not there.
    #[error(
        "the launch maps `{field}` to column `{column}`, which is not there{hint}; the columns are {found}"
    )]
    NoSuchColumn {
        /// The field.
        field: String,
        /// The column it should be.
        column: String,
        /// `, perhaps ...`, or nothing.
        hint: String,
        /// The names there are.
        found: String,
    },
    /// Nobody could get the message: what it says of each person is in no column.
    #[error(
        "the message says {{{{{variable}}}}}, which is neither a column{hint} nor one of the launch's variables; \
         the columns are {found}"
    )]
    NoSuchVariable {
        /// The variable.
        variable: String,
        /// `, perhaps ...`, or nothing.
        hint: String,
        /// The names there are.
        found: String,
    },
    /// The launch maps a field that does not exist.
    #[error("`{field}` is not a field of an audience{hint}; the fields are {known}")]
    NoSuchField {
        /// What the launch says.
        field: String,
        /// `, perhaps ...`, or nothing.
        hint: String,
        /// The fields there are.
        known: String,
    },
}

/// Which columns become variables of a recipient.
#[derive(Debug, Clone, Default)]
pub enum Keep {
    /// Every column that is not a flag or a field of its own.
    #[default]
    All,
    /// These, also when they are fields as well: what the campaign's templates use.
    Only(Vec<String>),
}

/// What of a launch decides about columns.
#[derive(Debug, Clone)]
pub struct ColumnRules {
    /// The campaign's channel.
    pub channel: Channel,
    /// Field to column: the launch's `audience.columns`.
    pub mapping: StringMap,
    /// The launch's pages, in its order.
    pub pages: Vec<String>,
    /// Which columns become variables.
    pub keep: Keep,
    /// Variables of the message that only a column can give a value.
    pub needed: Vec<String>,
}

/// A column that says whether the person may be reached on the channel.
#[derive(Debug, Clone)]
pub(super) struct Flag {
    pub(super) column: usize,
    pub(super) refusal: String,
}

/// The resolved columns of an audience: what [`Columns::decide`] reads a row by.
#[derive(Debug, Clone)]
pub struct Columns {
    pub(super) channel: Channel,
    pub(super) names: Vec<Arc<str>>,
    pub(super) address: Option<usize>,
    pub(super) name: Option<usize>,
    pub(super) customer_id: Option<usize>,
    pub(super) time_zone: Option<usize>,
    pub(super) opted_out: Option<usize>,
    pub(super) page_id: Option<usize>,
    pub(super) send_date: Option<usize>,
    pub(super) flags: Vec<Flag>,
    pub(super) pages: HashSet<Box<str>>,
    variables: Vec<usize>,
}

impl Columns {
    /// Resolves the names of all columns of an audience.
    pub fn resolve(header: &[Arc<str>], rules: &ColumnRules) -> Result<Self, ColumnsError> {
        let columns = Self::build(header, rules)?;
        if columns.address.is_none() {
            return Err(columns.no_address());
        }
        match rules.needed.iter().find(|variable| !columns.gives(variable)) {
            None => Ok(columns),
            Some(variable) => Err(ColumnsError::NoSuchVariable {
                hint: perhaps(nearest(variable, columns.names.iter().map(|name| &**name))),
                variable: variable.clone(),
                found: listed(&columns.names),
            }),
        }
    }

    /// The columns of an audience without any row.
    pub fn of_nothing(rules: &ColumnRules) -> Result<Self, ColumnsError> {
        Self::build(&[], &ColumnRules { mapping: StringMap::new(), ..rules.clone() })
    }

    fn build(header: &[Arc<str>], rules: &ColumnRules) -> Result<Self, ColumnsError> {
        check_fields(&rules.mapping)?;
        let channel = rules.channel;
        let mapped = |field: &str| -> Result<Option<usize>, ColumnsError> {
            let Some(column) = rules.mapping.get(field) else { return Ok(None) };
            match find(header, column) {
                None => Err(no_such_column(header, field, column)),
                found => Ok(found),
            }
        };
        let field = |field: &str, known: &[&str]| -> Result<Option<usize>, ColumnsError> {
            let by_name = || known.iter().find_map(|name| find(header, name));
            Ok(mapped(field)?.or_else(by_name))
        };
        let flag_columns: Vec<usize> = match mapped("opt_in")? {
            Some(column) => vec![column],
            None => flag_names(channel).iter().filter_map(|name| find(header, name)).collect(),
        };
        let flag =
            |column: usize| Flag { column, refusal: format!("column `{}` does not say yes", header[column]) };
        let mut columns = Columns {
            channel,
            names: header.to_vec(),
            address: field("address", address_names(channel))?,
            name: field("name", &["name"])?,
            customer_id: field("customer_id", &["customer_id"])?,
            time_zone: field("time_zone", &["time_zone", "timezone"])?,
            opted_out: field("opted_out", &["opted_out"])?,
            page_id: field("page_id", &["page_id"])?,
            send_date: field("send_date", &["send_date", "scheduled_send_date"])?,
            flags: flag_columns.into_iter().map(flag).collect(),
            pages: rules.pages.iter().map(|page| page.as_str().into()).collect(),
            variables: Vec::new(),
        };
        columns.variables = (0..header.len()).filter(|column| columns.keeps(*column, &rules.keep)).collect();
        Ok(columns)
    }

    fn keeps(&self, column: usize, keep: &Keep) -> bool {
        let name = &*self.names[column];
        // What a recipient carries by itself is not stored twice.
        let own = [("address", self.address), ("name", self.name), ("customer_id", self.customer_id)];
        if own.iter().any(|(field, resolved)| *field == name && resolved.is_some()) {
            return false;
        }
        match keep {
            Keep::Only(names) => names.iter().any(|wanted| wanted == name),
            Keep::All => {
                let flag = self.flags.iter().any(|flag| flag.column == column);
                let rules = [self.opted_out, self.page_id, self.time_zone, self.send_date];
                let rule = rules.contains(&Some(column));
                !flag && !rule
            }
        }
    }

    /// Whether rows may have a value for a variable: as a column of that very name, or as a field of the recipient.
    fn gives(&self, variable: &str) -> bool {
        let field = match variable {
            "address" => self.address,
            "name" => self.name,
            "customer_id" => self.customer_id,
            _ => None,
        };
        field.is_some() || self.names.iter().any(|name| **name == *variable)
    }

    fn no_address(&self) -> ColumnsError {
        ColumnsError::NoAddress {
            channel: self.channel,
            wanted: address_names(self.channel).join(", "),
            found: listed(&self.names),
        }
    }

    /// The column that holds the address, if one is known.
    pub fn address_column(&self) -> Option<&str> {
        self.address.map(|column| &*self.names[column])
    }

    /// The names of the columns, in the order of the cells.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The columns that a decision or a variable comes from, ascending: a source may leave out all others.
    pub fn used(&self) -> Vec<usize> {
        let fields = [
            self.address,
            self.name,
            self.customer_id,
            self.time_zone,
            self.opted_out,
            self.page_id,
            self.send_date,
        ];
        let flags = self.flags.iter().map(|flag| flag.column);
        let mut used: Vec<usize> =
            fields.into_iter().flatten().chain(flags).chain(self.variables.iter().copied()).collect();
        used.sort_unstable();
        used.dedup();
        used
    }

    /// The names of the columns that become variables.
    pub fn variable_names(&self) -> impl ExactSizeIterator<Item = &Arc<str>> {
        self.variables.iter().map(|column| &self.names[*column])
    }

    /// The variables of a row, trimmed; an empty cell is a missing value and left out.
    pub fn variables<'a>(&'a self, cells: Cells<'a>) -> impl Iterator<Item = (&'a Arc<str>, &'a str)> + 'a {
        self.variables.iter().filter_map(move |&column| {
            let value = cells.get(column)?.trim();
            (!value.is_empty()).then_some((&self.names[column], value))
        })
    }

    /// The value of one column that is kept as a variable, or `None` when it is missing.
    pub fn variable<'a>(&'a self, cells: Cells<'a>, name: &str) -> Option<&'a str> {
        self.variables(cells).find(|(known, _)| ***known == *name).map(|(_, value)| value)
    }
}

/// Refuses fields that do not exist, with the nearest that does.
pub(crate) fn check_fields(mapping: &StringMap) -> Result<(), ColumnsError> {
    match mapping.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        None => Ok(()),
        Some(field) => Err(ColumnsError::NoSuchField {
            hint: perhaps(nearest(field, FIELDS)),
            field: field.clone(),
            known: FIELDS.join(", "),
        }),
    }
}

fn no_such_column(header: &[Arc<str>], field: &str, column: &str) -> ColumnsError {
    ColumnsError::NoSuchColumn {
        field: field.to_owned(),
        column: column.to_owned(),
        hint: perhaps(nearest(column, header.iter().map(|name| &**name))),
        found: listed(header),
    }
}

fn perhaps(word: Option<&str>) -> String {
    word.map(|word| format!(", perhaps `{word}`")).unwrap_or_default()
}

fn listed(names: &[Arc<str>]) -> String {
    let mut text = names.iter().take(LISTED_MAX).map(|name| &**name).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED_MAX {
        text.push_str(&format!(" and {} more", names.len() - LISTED_MAX));
    }
    text
}

/// A column by its exact name, or by the same words in another case or with spaces.
fn find(header: &[Arc<str>], wanted: &str) -> Option<usize> {
    let exact = header.iter().position(|name| **name == *wanted);
    exact.or_else(|| header.iter().position(|name| same_words(name, wanted)))
}

fn same_words(a: &str, b: &str) -> bool {
    let fold = |c: char| if matches!(c, ' ' | '-') { '_' } else { c.to_ascii_lowercase() };
    a.chars().map(fold).eq(b.chars().map(fold))
}

/// Columns that may hold the channel's address, the preferred one first.
pub fn address_names(channel: Channel) -> &'static [&'static str] {
    match channel {
        Channel::Whatsapp | Channel::Sms => &["phone", "address"],
        Channel::Messenger => &["psid", "messenger_psid", "address"],
        Channel::Instagram => &["igsid", "instagram_igsid", "address"],
        Channel::Http => &["address", "phone", "psid", "igsid", "email"],
    }
}

/// Columns that say whether a person may be reached on the channel; all that are there must say yes.
pub fn flag_names(channel: Channel) -> &'static [&'static str] {
    match channel {
        Channel::Whatsapp => &["whatsapp_opt_in", "has_whatsapp", "opt_in"],
        Channel::Messenger => &["messenger_opt_in", "has_messenger", "opt_in"],
        Channel::Instagram => &["instagram_opt_in", "has_instagram", "opt_in"],
        Channel::Sms => &["sms_opt_in", "has_sms", "opt_in"],
        Channel::Http => &["http_opt_in", "opt_in"],
    }
}
