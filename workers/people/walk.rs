//! The way through every table with a team's data: some pages a transaction, so that it may end between any two.

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

/// Pages that one transaction looks at: 16 MB.
pub(super) const PAGES: i64 = 2000;

/// A table, or a partition of one.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Its name.
    pub place: String,
    /// How long it is.
    pub pages: i64,
}

/// How far a walk is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Walk {
    /// How often it has been all the way round.
    pub rounds: u32,
    /// What this round found.
    pub found: i64,
    /// What it had to leave for the next.
    pub left: i64,
    /// The table it is at; those before it by name are done.
    pub place: String,
    /// The next page of it.
    pub page: i64,
}

impl Walk {
    /// The next pages behind where it is: a table and its first page. `None`: the round is over.
    pub(super) fn next<'p>(&self, places: &'p [Place]) -> Option<(&'p str, i64)> {
        places.iter().find_map(|one| {
            let page = if one.place == self.place { self.page } else { 0 };
            (one.place >= self.place && page < one.pages).then_some((one.place.as_str(), page))
        })
    }

    /// Steps behind those pages.
    pub(super) fn step(&mut self, place: &str, page: i64) {
        place.clone_into(&mut self.place);
        self.page = page + PAGES;
    }

    /// Begins another round.
    pub(super) fn again(&mut self) {
        *self = Self { rounds: self.rounds + 1, ..Self::default() };
    }
}

/// Every table there is, in the order of the way.
pub(super) async fn places(conn: &mut PgConnection) -> Result<Vec<Place>, sqlx::Error> {
    sqlx::query_file_as!(Place, "people/walk/places.sql").fetch_all(conn).await.map(in_order)
}

/// By name as [`Walk::next`] compares them: the database's own order may be another (`campaign_steps` and `campaigns` change
/// places with the collation), and what came out of order would be passed over.
fn in_order(mut places: Vec<Place>) -> Vec<Place> {
    places.sort_by(|one, other| one.place.cmp(&other.place));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_comes_by_every_page_once_and_goes_on_where_it_was() {
        let place = |name: &str, pages| Place { place: name.into(), pages };
        // As a database sorts them whose collation passes over signs.
        let places = in_order(vec![place("as", 1), place("a_b", 1), place("b", 0), place("d", PAGES), place("c", PAGES * 2 + 1)]);
        let mut walk = Walk::default();
        let mut seen = Vec::new();
        while let Some((place, page)) = walk.next(&places) {
            seen.push((place.to_owned(), page));
            walk.step(place, page);
            // As a checkpoint brings it back.
            let text = serde_json::to_string(&walk).expect("text");
            walk = serde_json::from_str(&text).expect("a walk");
        }
        let expected = [("a_b", 0), ("as", 0), ("c", 0), ("c", PAGES), ("c", PAGES * 2), ("d", 0)];
        assert_eq!(seen, expected.map(|(place, page)| (place.to_owned(), page)));
    }
}
