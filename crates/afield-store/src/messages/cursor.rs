//! Where a search over many projects goes on: how far it came in each. Opaque to clients, who give
//! it back as they got it; one that was made up names nothing that may not be seen.

use afield_proto::Timestamp;

/// Where a search goes on.
///
/// **Shape**: `number.before.at` for each project that is not at its end, joined by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchCursor(pub(super) Vec<Position>);

/// How far a search is in one project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// `projects.number`
    pub(super) number: i64,
    /// What was written before this event is to be looked through.
    pub(super) before: u64,
    /// Nothing of it is newer; not known before the first look.
    pub(super) newest: Option<Timestamp>,
}

/// A text that is no cursor.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("this is no cursor: give back the one of the last reply")]
pub struct CursorError;

impl std::fmt::Display for SearchCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, Position { number, before, newest }) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{number}.{before}.")?;
            newest.map_or(Ok(()), |at| write!(f, "{}", at.unix_ms()))?;
        }
        Ok(())
    }
}

impl std::str::FromStr for SearchCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let positions: Option<Vec<_>> = text.split(',').map(position).collect();
        positions.map(Self).ok_or(CursorError)
    }
}

fn position(text: &str) -> Option<Position> {
    let mut parts = text.split('.');
    let number = parts.next()?.parse().ok()?;
    let before = parts.next()?.parse().ok()?;
    let newest = match parts.next()? {
        "" => None,
        at => Some(Timestamp::from_unix_ms(at.parse().ok()?)),
    };
    parts.next().is_none().then_some(Position { number, before, newest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_went() {
        let newest = Some(Timestamp::from_unix_ms(1_795_190_000_000));
        let cursor = SearchCursor(vec![
            Position { number: 3, before: 17, newest },
            Position { number: 4, before: u64::MAX, newest: None },
        ]);
        assert_eq!(cursor.to_string().parse::<SearchCursor>().unwrap(), cursor);
        for bad in ["", "1", "1.2", "1.2.3.4", "1.2.x", "-.2.", "1.-2.", "1.2.3,"] {
            assert!(bad.parse::<SearchCursor>().is_err(), "{bad}");
        }
    }
}
