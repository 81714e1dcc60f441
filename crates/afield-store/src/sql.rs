//! One statement for both databases: its text, its parameters, its rows.
//!
//! Every statement is written once with `?1 ?2` placeholders and registered with [`statements!`],
//! so that a test can prepare all of them on both engines. Holds no connection.

use std::sync::OnceLock;

use afield_proto::Timestamp;
use uuid::Uuid;

use crate::Error;

/// The text of one statement.
///
/// **Shape**: SQLite's placeholders; ` FOR UPDATE` last where PostgreSQL has to lock rows (SQLite
/// has one writer and needs none).
pub(crate) struct Sql {
    text: &'static str,
    sqlite: OnceLock<&'static str>,
    postgres: OnceLock<String>,
}

impl Sql {
    /// A statement with this text.
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, sqlite: OnceLock::new(), postgres: OnceLock::new() }
    }

    /// The text for SQLite.
    pub(crate) fn sqlite(&self) -> &'static str {
        self.sqlite.get_or_init(|| self.text.split(" FOR UPDATE").next().unwrap_or(self.text))
    }

    /// The text for PostgreSQL.
    pub(crate) fn postgres(&self) -> &str {
        self.postgres.get_or_init(|| self.text.replace('?', "$"))
    }
}

/// Defines statements and a `STATEMENTS` list of them.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {
        $($(#[$doc])* static $name: $crate::sql::Sql = $crate::sql::Sql::new($text);)*
        /// Every statement of this module.
        #[cfg(feature = "conformance")]
        pub(crate) static STATEMENTS: &[&$crate::sql::Sql] = &[$(&$name),*];
    };
}
pub(crate) use statements;

/// Every statement of the crate.
#[cfg(feature = "conformance")]
pub(crate) fn all() -> impl Iterator<Item = &'static Sql> {
    [
        crate::audit::STATEMENTS,
        crate::identity::STATEMENTS,
        crate::pairing::STATEMENTS,
        crate::projects::STATEMENTS,
        crate::sessions::STATEMENTS,
        crate::sessions::known::STATEMENTS,
        crate::commands::STATEMENTS,
        crate::commands::accept::STATEMENTS,
        crate::commands::archive::STATEMENTS,
        crate::commands::back::STATEMENTS,
        crate::commands::edit::STATEMENTS,
        crate::commands::hold::STATEMENTS,
        crate::commands::stop::STATEMENTS,
        crate::commands::lane::STATEMENTS,
        crate::commands::lease::STATEMENTS,
        crate::commands::rights::STATEMENTS,
        crate::commands::room::STATEMENTS,
        crate::commands::routes::STATEMENTS,
        crate::commands::save::STATEMENTS,
        crate::commands::show::STATEMENTS,
        crate::commands::steer::STATEMENTS,
        crate::commands::sweep::STATEMENTS,
        crate::blobs::STATEMENTS,
        crate::uploads::STATEMENTS,
        crate::messages::STATEMENTS,
        crate::messages::search::STATEMENTS,
        crate::approvals::STATEMENTS,
        crate::approvals::one_tap::STATEMENTS,
        crate::state::STATEMENTS,
        crate::handoff::STATEMENTS,
        crate::device_messages::STATEMENTS,
        crate::push::STATEMENTS,
        crate::log::append::STATEMENTS,
        crate::log::read::STATEMENTS,
        crate::log::rotate::STATEMENTS,
        crate::log::damage::STATEMENTS,
        crate::store::STATEMENTS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// One parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    /// Nothing.
    Null,
    /// A whole number, a time, a set of bits.
    Int(i64),
    /// Words or JSON.
    Text(&'a str),
    /// A UUID, stored as text.
    Id(Uuid),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// What can be a parameter.
pub(crate) trait ToValue {
    /// The parameter.
    fn value(&self) -> Value<'_>;
}

/// A parameter list: `params![org, id, now]`.
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::sql::ToValue::value(&$value)),*] };
}
pub(crate) use params;

impl ToValue for i64 {
    fn value(&self) -> Value<'_> {
        Value::Int(*self)
    }
}

impl ToValue for u32 {
    fn value(&self) -> Value<'_> {
        Value::Int(i64::from(*self))
    }
}

impl ToValue for u64 {
    fn value(&self) -> Value<'_> {
        Value::Int(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

impl ToValue for Timestamp {
    fn value(&self) -> Value<'_> {
        Value::Int(self.unix_ms())
    }
}

impl ToValue for str {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl ToValue for String {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl ToValue for afield_proto::state::StateKey {
    fn value(&self) -> Value<'_> {
        Value::Text(self.as_str())
    }
}

impl ToValue for [u8; 32] {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

impl ToValue for [u8] {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

impl ToValue for Vec<u8> {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, ToValue::value)
    }
}

macro_rules! id_values {
    ($($id:ident),*) => {
        $(impl ToValue for afield_proto::$id {
            fn value(&self) -> Value<'_> {
                Value::Id(self.uuid())
            }
        })*
    };
}
id_values!(
    OrgId, UserId, DeviceId, PairingId, ProjectId, SessionId, CommandId, ApprovalId, RequestId,
    MessageId
);

/// One row of an answer, read in place.
pub(crate) enum Row<'a> {
    /// Of SQLite.
    Sqlite(&'a rusqlite::Row<'a>),
    /// Of PostgreSQL.
    Postgres(&'a tokio_postgres::Row),
}

impl Row<'_> {
    /// A whole number that may be missing.
    pub(crate) fn opt_int(&self, column: usize) -> Result<Option<i64>, Error> {
        match self {
            Self::Sqlite(row) => Ok(row.get_ref(column)?.as_i64_or_null()?),
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    /// A whole number.
    pub(crate) fn int(&self, column: usize) -> Result<i64, Error> {
        self.opt_int(column)?.ok_or_else(|| missing(column))
    }

    /// A whole number that is never negative.
    pub(crate) fn count(&self, column: usize) -> Result<u64, Error> {
        let number = self.int(column)?;
        u64::try_from(number)
            .map_err(|_| Error::corrupt(format!("column {column}: {number} is negative")))
    }

    /// A point in time that may be missing.
    pub(crate) fn opt_time(&self, column: usize) -> Result<Option<Timestamp>, Error> {
        Ok(self.opt_int(column)?.map(Timestamp::from_unix_ms))
    }

    /// A point in time.
    pub(crate) fn time(&self, column: usize) -> Result<Timestamp, Error> {
        Ok(Timestamp::from_unix_ms(self.int(column)?))
    }

    /// A text that may be missing.
    pub(crate) fn opt_text(&self, column: usize) -> Result<Option<&str>, Error> {
        match self {
            Self::Sqlite(row) => row
                .get_ref(column)?
                .as_str_or_null()
                .map_err(|error| Error::corrupt(format!("column {column}: {error}"))),
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    /// A text.
    pub(crate) fn text(&self, column: usize) -> Result<&str, Error> {
        self.opt_text(column)?.ok_or_else(|| missing(column))
    }

    /// Bytes that may be missing.
    pub(crate) fn opt_bytes(&self, column: usize) -> Result<Option<&[u8]>, Error> {
        match self {
            Self::Sqlite(row) => row
                .get_ref(column)?
                .as_bytes_or_null()
                .map_err(|error| Error::corrupt(format!("column {column}: {error}"))),
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    /// Bytes.
    pub(crate) fn bytes(&self, column: usize) -> Result<&[u8], Error> {
        match self {
            Self::Sqlite(row) => row
                .get_ref(column)?
                .as_bytes()
                .map_err(|error| Error::corrupt(format!("column {column}: {error}"))),
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    /// An id that may be missing.
    pub(crate) fn opt_id<T: From<Uuid>>(&self, column: usize) -> Result<Option<T>, Error> {
        let parse = |text: &str| {
            Uuid::parse_str(text)
                .map(T::from)
                .map_err(|_| Error::corrupt(format!("column {column}: {text:?} is no id")))
        };
        self.opt_text(column)?.map(parse).transpose()
    }

    /// An id.
    pub(crate) fn id<T: From<Uuid>>(&self, column: usize) -> Result<T, Error> {
        self.opt_id(column)?.ok_or_else(|| missing(column))
    }

    /// JSON that may be missing.
    pub(crate) fn opt_json<T: serde::de::DeserializeOwned>(
        &self,
        column: usize,
    ) -> Result<Option<T>, Error> {
        self.opt_text(column)?.map(|text| read_json(text, column)).transpose()
    }

    /// JSON.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, column: usize) -> Result<T, Error> {
        read_json(self.text(column)?, column)
    }

    /// A word of an enumeration.
    pub(crate) fn word<T: serde::de::DeserializeOwned>(&self, column: usize) -> Result<T, Error> {
        word(self.text(column)?)
    }
}

fn missing(column: usize) -> Error {
    Error::corrupt(format!("column {column} is empty"))
}

fn read_json<T: serde::de::DeserializeOwned>(text: &str, column: usize) -> Result<T, Error> {
    serde_json::from_str(text)
        .map_err(|error| Error::corrupt(format!("column {column}: unreadable JSON: {error}")))
}

/// The enumeration value that is written as `text` on the wire.
pub(crate) fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Error> {
    use serde::de::IntoDeserializer as _;
    let word: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
        text.into_deserializer();
    T::deserialize(word).map_err(|error| Error::corrupt(error.to_string()))
}

/// The word an enumeration value is written as, on the wire and in storage.
pub(crate) fn word_of(value: &impl serde::Serialize) -> String {
    to_json(value).trim_matches('"').to_owned()
}

/// JSON of one of Afield's own types.
pub(crate) fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("Afield's own types always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_texts_come_from_one() {
        let sql = Sql::new("SELECT id FROM projects WHERE id = ?1 FOR UPDATE");
        assert_eq!(sql.sqlite(), "SELECT id FROM projects WHERE id = ?1");
        assert_eq!(sql.postgres(), "SELECT id FROM projects WHERE id = $1 FOR UPDATE");
    }
}
